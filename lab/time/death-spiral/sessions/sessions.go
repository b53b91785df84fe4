// Package sessions keeps the sessions of clients and what they looked at last, and forgets none.
package sessions

import (
	"strconv"
	"sync"
)

// Session is one client's.
type Session struct {
	ID     string
	Client *string
	Viewed *View
}

// View is a page that a client looked at, and the one before.
type View struct {
	Before *View
	Page   *string
	Query  []string
	At     int64
}

// Store is all sessions.
type Store struct {
	mu    sync.RWMutex
	byID  map[string]*Session
	pages [64]string
	views uint64
}

// New returns an empty store.
func New() *Store {
	s := &Store{byID: make(map[string]*Session)}
	for i := range s.pages {
		s.pages[i] = "/page/" + strconv.Itoa(i)
	}
	return s
}

// ID is the name of the n-th session.
func ID(n uint64) string { return "session-" + strconv.FormatUint(1_000_000+n, 10) }

// Open adds a session that has looked at so many pages.
func (s *Store) Open(id string, views int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := &Session{ID: id, Client: &s.pages[len(id)%len(s.pages)]}
	for i := 0; i < views; i++ {
		session.Viewed = &View{Before: session.Viewed, Page: &s.pages[i%len(s.pages)], At: int64(i)} // culprit
		s.views++
	}
	s.byID[id] = session
}

// Pages lists what a session has looked at.
func (s *Store) Pages(id string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	session := s.byID[id]
	if session == nil {
		return nil
	}
	var pages []string
	for v := session.Viewed; v != nil; v = v.Before {
		pages = append(pages, *v.Page+"?at="+strconv.FormatInt(v.At, 10))
	}
	return pages
}

// Len is how many sessions and views there are.
func (s *Store) Len() (sessions, views uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return uint64(len(s.byID)), s.views
}
