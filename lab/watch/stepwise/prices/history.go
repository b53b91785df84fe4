// Package prices holds the price list in force, and those before it.
package prices

import (
	"sync"

	"oomph.example/lab/internal/growth"
)

// Entry is the prices of one product.
type Entry struct {
	ID     uint64
	Prices []byte
}

// History is all price lists by version.
type History struct {
	mu    sync.Mutex
	lists map[int][]*Entry
	held  uint64
}

// New has no price list yet.
func New() *History { return &History{lists: make(map[int][]*Entry)} }

// Publish loads a new price list of so many entries; answers to questions about old orders keep all before it.
func (h *History) Publish(version, entries, size int) {
	list := make([]*Entry, 0, entries)
	for i := 0; i < entries; i++ {
		entry := &Entry{ID: uint64(version)<<32 | uint64(i)}
		entry.Prices = make([]byte, size) // culprit
		list = append(list, entry)
		growth.Fill(entry.Prices, entry.ID)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lists[version] = list // culprit: inserts
	h.held += uint64(entries)
}

// Len is how many entries all lists have.
func (h *History) Len() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held
}
