// Package load drives a specimen at a steady rate, as its clients would.
package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"oomph.example/lab/internal/latency"
)

// Generator issues requests at Rate per second from Workers goroutines. It is an open loop: when
// the workers fall behind, requests are dropped, not queued, so the generator itself holds nothing.
type Generator struct {
	Rate    float64
	Workers int
	Do      func(ctx context.Context, n uint64) error

	// Took: how long the last requests took.
	Took latency.Recent

	done, failed atomic.Uint64
}

// Counts tells how many requests ended and how many of those with an error.
func (g *Generator) Counts() (done, failed uint64) { return g.done.Load(), g.failed.Load() }

// Run drives until ctx is done.
func (g *Generator) Run(ctx context.Context) {
	work := make(chan uint64)
	var wg sync.WaitGroup
	for i := 0; i < g.Workers; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			g.worker(ctx, work)
		}()
	}
	g.pace(ctx, work)
	close(work)
	wg.Wait()
}

func (g *Generator) worker(ctx context.Context, work <-chan uint64) {
	for n := range work {
		begin := time.Now()
		err := g.Do(ctx, n)
		if ctx.Err() != nil {
			return
		}
		g.Took.Since(begin)
		g.done.Add(1)
		if err != nil {
			g.failed.Add(1)
		}
	}
}

func (g *Generator) pace(ctx context.Context, work chan<- uint64) {
	const step = 5 * time.Millisecond
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	var n uint64
	var owed float64
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			owed += g.Rate * now.Sub(last).Seconds()
			last = now
			if limit := g.Rate*0.25 + 1; owed > limit {
				owed = limit
			}
			for ; owed >= 1; owed-- {
				n++
				select {
				case work <- n:
				case <-ctx.Done():
					return
				}
			}
		}
	}
}
