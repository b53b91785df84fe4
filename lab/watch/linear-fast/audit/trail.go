// Package audit keeps a trail of what was done in a service.
package audit

import (
	"sync"

	"oomph.example/lab/internal/growth"
)

// Event is one thing that was done, with the body of the request that did it.
type Event struct {
	ID   uint64
	Body []byte
}

// Trail is all events since the start.
type Trail struct {
	mu     sync.Mutex
	events []*Event
}

// Append adds an event. The trail is never cut.
func (t *Trail) Append(id uint64, size int) {
	body := growth.Fill(make([]byte, size), id) // culprit
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, &Event{ID: id, Body: body}) // culprit: appends
}

// Len is how many events there are, and for how many there is room.
func (t *Trail) Len() (events, room uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return uint64(len(t.events)), uint64(cap(t.events))
}
