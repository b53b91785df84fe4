// Package pricing keeps subscribers up to date with prices: short work on small data that clients wait for. It
// allocates next to nothing.
package pricing

import (
	"context"
	"sync/atomic"
	"time"

	"oomph.example/lab/internal/latency"
)

const topics = 32

// Desk publishes prices topic by topic; each subscriber is a goroutine that lives as long as its client.
type Desk struct {
	// Took: how long the last updates took, from their publication on.
	Took latency.Recent

	curve   [512]float64
	topics  [topics][]*Subscriber
	updates atomic.Uint64
}

// Subscriber is one client.
type Subscriber struct {
	desk   *Desk
	quotes chan quote
	last   *update
}

type quote struct {
	at    time.Time
	value float64
}

// update is what a client was told last.
type update struct {
	value, average float64
}

// New returns a desk with so many subscribers, who run until ctx is done.
func New(ctx context.Context, subscribers int) *Desk {
	d := new(Desk)
	for i := range d.curve {
		d.curve[i] = 100 + float64(i*131%977)/10
	}
	for i := 0; i < subscribers; i++ {
		s := &Subscriber{desk: d, quotes: make(chan quote, 4), last: new(update)}
		d.topics[i%topics] = append(d.topics[i%topics], s)
		go s.Run(ctx)
	}
	return d
}

// Updates is how many there were so far.
func (d *Desk) Updates() uint64 { return d.updates.Load() }

// Publish tells the subscribers of one topic after the other of a new price until ctx is done.
func (d *Desk) Publish(ctx context.Context) {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		q := quote{at: time.Now(), value: d.curve[n%len(d.curve)]}
		for _, s := range d.topics[n%topics] {
			select {
			case s.quotes <- q:
			default: // a slow client misses a price
			}
		}
	}
}

// Run keeps one client up to date; an update of 16 bytes is all that it allocates.
func (s *Subscriber) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-s.quotes:
			average := 0.0
			for round := 0; round < 30; round++ {
				for i := 1; i < len(s.desk.curve); i++ {
					average += (s.desk.curve[i] + s.desk.curve[i-1]) * q.value
				}
			}
			s.last = &update{value: q.value, average: average}
			s.desk.updates.Add(1)
			s.desk.Took.Since(q.at)
		}
	}
}
