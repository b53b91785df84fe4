// Package importer reads a feed of trades in chunks: each becomes a table of records that is matched and dropped.
package importer

import (
	"context"
	"sync/atomic"
	"time"
)

// Record is one trade of a chunk, chained to the one before in the same book.
type Record struct {
	Before *Record
	Party  *string
	Tags   []string
	Cents  int64
	Book   uint64
}

// Importer takes chunk after chunk.
type Importer struct {
	parties []*string
	tags    []string
	chunks  chan int
	records atomic.Uint64
	matched atomic.Int64
}

// New returns an importer that knows some parties.
func New(parties []*string, tags []string) *Importer {
	return &Importer{parties: parties, tags: tags, chunks: make(chan int)}
}

// Records is how many there were so far.
func (m *Importer) Records() uint64 { return m.records.Load() }

// Feed hands out perTick chunks every few milliseconds until ctx is done.
func (m *Importer) Feed(ctx context.Context, perTick int) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for i := 0; i < perTick; i++ {
			n++
			select {
			case <-ctx.Done():
				return
			case m.chunks <- n:
			}
		}
	}
}

// Run imports chunks until ctx is done.
func (m *Importer) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-m.chunks:
			m.matched.Add(m.Import(n, 1024))
		}
	}
}

// Import reads a chunk of size trades, matches them book by book, and drops them.
func (m *Importer) Import(n, size int) int64 {
	table := make([]Record, size) // culprit
	var books [16]*Record
	for i := range table {
		r := &table[i]
		book := uint64(n+i*13) % 16
		r.Before, r.Book = books[book], book
		r.Party, r.Tags, r.Cents = m.parties[(n+i*7)%len(m.parties)], m.tags, int64(i%9000)-4500
		books[book] = r
	}
	m.records.Add(uint64(size))
	var matched int64
	for _, r := range books {
		for ; r != nil; r = r.Before {
			matched += r.Cents
		}
	}
	return matched
}
