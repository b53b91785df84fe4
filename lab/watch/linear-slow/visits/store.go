// Package visits remembers the visits of a shop by their number.
package visits

import (
	"sync"
	"time"

	"oomph.example/lab/internal/growth"
)

// Visit is what is known of one.
type Visit struct {
	ID    uint64
	Begun time.Time
	Pages []byte
}

// Store is the visits by number.
type Store struct {
	mu   sync.Mutex
	byID map[uint64]*Visit
}

// New makes an empty store.
func New() *Store { return &Store{byID: make(map[uint64]*Visit)} }

// Record remembers a visit. The number is new each time and nothing removes it.
func (s *Store) Record(id uint64, size int) {
	visit := &Visit{ID: id, Begun: time.Now()}
	visit.Pages = make([]byte, size) // culprit
	growth.Fill(visit.Pages, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[id] = visit // culprit: inserts
}

// Len is how many there are.
func (s *Store) Len() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(len(s.byID))
}
