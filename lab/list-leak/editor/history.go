// Package editor keeps the history of a shared document.
package editor

import (
	"container/list"
	"sync"
	"sync/atomic"
)

// Edit is one change, with the text around it for undo.
type Edit struct {
	Author string
	Offset int
	Before [2048]byte
	After  [2048]byte
}

// Document is a text with its history.
type Document struct {
	mu      sync.Mutex
	text    [2048]byte
	history *list.List
	edits   atomic.Uint64
	limit   uint64
}

// NewDocument makes an empty document that refuses edits beyond limit.
func NewDocument(limit uint64) *Document {
	return &Document{history: list.New(), limit: limit}
}

// Apply changes a byte and remembers the edit; the history is never trimmed.
func (d *Document) Apply(author string, offset int, value byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.edits.Load() >= d.limit {
		return false
	}
	edit := Edit{Author: author, Offset: offset, Before: d.text}
	d.text[offset%len(d.text)] = value
	edit.After = d.text
	d.history.PushBack(edit) // culprit
	d.edits.Add(1)
	return true
}

// Edits is how many the history holds.
func (d *Document) Edits() uint64 { return d.edits.Load() }

// Full tells whether edits are refused.
func (d *Document) Full() bool { return d.edits.Load() >= d.limit }
