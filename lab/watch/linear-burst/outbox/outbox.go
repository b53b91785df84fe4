// Package outbox holds messages until they are sent.
package outbox

import (
	"container/list"
	"sync"

	"oomph.example/lab/internal/growth"
)

// Message is one of them.
type Message struct {
	ID   uint64
	Text []byte
}

// Outbox is the messages in order.
type Outbox struct {
	mu      sync.Mutex
	waiting list.List
}

// Push adds a message. The sender takes messages from a copy, so that none ever leaves.
func (o *Outbox) Push(id uint64, size int) {
	message := &Message{ID: id}
	message.Text = make([]byte, size) // culprit
	growth.Fill(message.Text, id)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting.PushBack(message) // culprit: pushes
}

// Len is how many wait.
func (o *Outbox) Len() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return uint64(o.waiting.Len())
}
