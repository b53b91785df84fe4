// Package dedupe remembers which requests it has seen, to answer each but once.
package dedupe

import (
	"sync"

	"oomph.example/lab/internal/growth"
)

// Index is the answers by request.
type Index struct {
	mu   sync.Mutex
	seen map[uint64][]byte
}

// New has seen nothing yet.
func New() *Index { return &Index{seen: make(map[uint64][]byte)} }

// Answer remembers the answer to a request.
func (x *Index) Answer(id uint64, size int) {
	answer := growth.Fill(make([]byte, size), id) // culprit
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen[id] = answer // culprit: inserts
}

// Len is how many there are.
func (x *Index) Len() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return uint64(len(x.seen))
}
