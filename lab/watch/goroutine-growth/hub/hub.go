// Package hub tells subscribers what happens, each in a goroutine of its own.
package hub

import "sync/atomic"

// Hub is the subscribers.
type Hub struct {
	events  chan struct{}
	waiting atomic.Int64
}

// New is a hub at which nothing happens yet.
func New() *Hub { return &Hub{events: make(chan struct{})} }

// Subscribe waits for events on behalf of a client. Nobody tells the goroutine when the client has gone.
func (h *Hub) Subscribe(id uint64, depth int) {
	h.waiting.Add(1)
	go h.deliver(id, depth) // culprit: creates
}

// deliver goes through so many filters, each of which has a buffer on the stack, and waits in the last.
func (h *Hub) deliver(id uint64, depth int) {
	Filter(h.events, id, depth)
	h.waiting.Add(-1)
}

// Filter works in a buffer on its stack, hands on to the next filter, and waits if it is the last.
//
//go:noinline
func Filter(events <-chan struct{}, id uint64, depth int) byte {
	var buffer [960]byte
	for i := range buffer {
		buffer[i] = byte(id) + byte(i)
	}
	if depth > 0 {
		return Filter(events, id+1, depth-1) + buffer[id%960]
	}
	<-events // culprit
	return buffer[id%960]
}

// Waiting is how many wait.
func (h *Hub) Waiting() uint64 { return uint64(h.waiting.Load()) }
