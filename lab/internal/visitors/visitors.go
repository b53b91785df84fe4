// Package visitors keeps what visitors do for as long as they are about, and forgets each some time after its visit.
package visitors

import (
	"sync"
	"time"
)

// Visit is one visitor's.
type Visit struct {
	ID   uint64
	At   time.Time
	Cart []byte
}

// Store is the visits of the last Keep.
type Store struct {
	Keep time.Duration

	mu    sync.Mutex
	byID  map[uint64]*Visit
	order []*Visit // oldest first
}

// New returns a store that forgets visits after keep.
func New(keep time.Duration) *Store { return &Store{Keep: keep, byID: make(map[uint64]*Visit)} }

// Open remembers a visitor with a cart of so many bytes.
func (s *Store) Open(id uint64, cart int) {
	visit := &Visit{ID: id, At: time.Now(), Cart: make([]byte, cart)}
	for i := range visit.Cart {
		visit.Cart[i] = byte(id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[id] = visit
	s.order = append(s.order, visit)
	s.forget(visit.At)
}

// Len is how many visits are remembered now.
func (s *Store) Len() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(time.Now())
	return uint64(len(s.byID))
}

func (s *Store) forget(now time.Time) {
	gone := 0
	for gone < len(s.order) && now.Sub(s.order[gone].At) > s.Keep {
		delete(s.byID, s.order[gone].ID)
		s.order[gone] = nil
		gone++
	}
	s.order = s.order[gone:]
}
