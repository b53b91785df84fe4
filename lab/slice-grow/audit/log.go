// Package audit records who touched which row.
package audit

import (
	"sync"
	"time"
)

// Event is one access to one row.
type Event struct {
	At     time.Time
	User   string
	Table  string
	Action string
	Row    uint64
	Before [2]uint64
	After  [2]uint64
}

var (
	mu     sync.Mutex
	events []Event
	total  uint64 // bytes of all arrays that append has allocated
)

// Record appends an event; nothing ever takes one away.
func Record(e Event) {
	mu.Lock()
	defer mu.Unlock()
	before := cap(events)
	events = append(events, e) // culprit
	if after := cap(events); after != before {
		total += uint64(after)
	}
}

// Stats are the events, the capacity of their array and all capacity ever allocated, in events.
func Stats() (length, capacity, allocated uint64) {
	mu.Lock()
	defer mu.Unlock()
	return uint64(len(events)), uint64(cap(events)), total
}
