// Package session keeps what a visitor has done so far.
package session

import (
	"sync"
	"sync/atomic"
	"time"
)

// PageView is one page that a visitor looked at.
type PageView struct {
	Path     string
	Referrer string
	At       time.Time
}

// Session is the state of one visitor, with the last page views in place.
type Session struct {
	ID      string
	User    string
	Created time.Time
	Views   [40]PageView
	Next    int
}

// Record adds a page view over the oldest.
func (s *Session) Record(view PageView) {
	s.Views[s.Next%len(s.Views)] = view
	s.Next++
}

// Store is the sessions by key.
type Store struct {
	mu      sync.RWMutex
	byKey   map[string]*Session
	keys    atomic.Uint64
	entries atomic.Uint64
	limit   uint64
}

// NewStore makes an empty store that refuses new sessions beyond limit.
func NewStore(limit uint64) *Store {
	return &Store{byKey: make(map[string]*Session), limit: limit}
}

// Get finds the session of a key.
func (s *Store) Get(key string) (*Session, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sess, ok := s.byKey[key]
	return sess, ok
}

// Open finds the session of a key or makes one. Nothing ever removes it.
func (s *Store) Open(key, user string, now time.Time) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sess, ok := s.byKey[key]; ok {
		return sess
	}
	if s.entries.Load() >= s.limit {
		return &Session{ID: key, User: user, Created: now}
	}
	sess := &Session{ID: key, User: user, Created: now} // culprit
	s.byKey[key] = sess                                 // culprit: inserts
	s.entries.Add(1)
	s.keys.Add(uint64(len(key)))
	return sess
}

// Stats are the entries held and the bytes of their keys.
func (s *Store) Stats() (entries, keyBytes uint64) { return s.entries.Load(), s.keys.Load() }

// Full tells whether the store takes no more.
func (s *Store) Full() bool { return s.entries.Load() >= s.limit }
