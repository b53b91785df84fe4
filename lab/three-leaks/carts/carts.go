// Package carts keeps the shopping cart of each visit.
package carts

import "sync"

// Cart is what a visitor has put together.
type Cart struct {
	Visit string
	Items [90]uint64
	Notes [16]string
}

// Store is the carts by visit.
type Store struct {
	mu      sync.Mutex
	byVisit map[string]*Cart
	keys    uint64
}

// NewStore makes an empty store.
func NewStore() *Store { return &Store{byVisit: map[string]*Cart{}} }

// Open makes the cart of a visit. Carts of visits that end stay.
func (s *Store) Open(visit string) *Cart {
	cart := &Cart{Visit: visit} // culprit
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byVisit[visit] = cart // culprit: inserts
	s.keys += uint64(len(visit))
	return cart
}

// Close ends a visit.
func (s *Store) Close(visit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.byVisit[visit]; ok {
		delete(s.byVisit, visit)
		s.keys -= uint64(len(visit))
	}
}

// Stats are the carts and the bytes of their keys.
func (s *Store) Stats() (entries, keyBytes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(len(s.byVisit)), s.keys
}
