// Package hooks tells partners of what happened.
package hooks

import (
	"sync/atomic"
	"time"
)

// Notifier calls partners; each call waits for an acknowledgement.
type Notifier struct {
	acks    chan uint64
	within  time.Duration
	waiting atomic.Int64
	sum     atomic.Uint64
}

// New makes a notifier whose calls give up after within; 0 is never.
func New(within time.Duration) *Notifier { return &Notifier{acks: make(chan uint64), within: within} }

// Call tells a partner and does not wait. Without an acknowledgement and without a deadline its
// goroutine waits for ever.
func (n *Notifier) Call(id uint64) {
	n.waiting.Add(1)
	go n.await(id) // culprit: creates
}

func (n *Notifier) await(id uint64) {
	defer n.waiting.Add(-1)
	payload := render(id)
	var expired <-chan time.Time
	if n.within > 0 {
		timer := time.NewTimer(n.within)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case ack := <-n.acks:
		n.sum.Add(ack + uint64(payload[0]))
	case <-expired:
		n.sum.Add(uint64(payload[1]))
	}
}

// PayloadBytes is the size of what a call holds.
const PayloadBytes = 4096

//go:noinline
func render(id uint64) []byte {
	payload := make([]byte, PayloadBytes) // culprit: payload
	payload[0] = byte(id)
	return payload
}

// Acknowledge answers one call, if one waits.
func (n *Notifier) Acknowledge(id uint64) {
	select {
	case n.acks <- id:
	default:
	}
}

// Waiting is the number of calls without an answer.
func (n *Notifier) Waiting() uint64 { return uint64(n.waiting.Load()) }

// Render for its name.
var Render = render
