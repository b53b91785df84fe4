// Package stock keeps what a shop has, in shards with a lock each, and lets changes flow in through a channel.
package stock

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"oomph.example/lab/internal/latency"
)

const shards = 16

// Item is one kind of good.
type Item struct {
	ID    int    `json:"id"`
	Title string `json:"title"`
	Cents int64  `json:"cents"`
	Left  int64  `json:"left"`
}

type shard struct {
	mu    sync.RWMutex
	items map[int]Item
}

// Stock is all items.
type Stock struct {
	// Waited: how long the last reads waited for a lock.
	Waited latency.Recent

	shards  [shards]shard
	changes chan int
	applied atomic.Uint64
	n       int
}

// New has n items.
func New(n int) *Stock {
	s := &Stock{changes: make(chan int, 256), n: n}
	for i := range s.shards {
		s.shards[i].items = make(map[int]Item, n/shards+1)
	}
	for i := 0; i < n; i++ {
		s.shards[i%shards].items[i] = Item{ID: i, Title: "Item " + strconv.Itoa(i), Cents: int64(i%9000) + 99, Left: 100}
	}
	return s
}

// Page appends count items from first on to page.
func (s *Stock) Page(page []Item, first, count int) []Item {
	for i := first; i < first+count; i++ {
		id := i % s.n
		page = append(page, s.item(id))
	}
	return page
}

func (s *Stock) item(id int) Item {
	at := &s.shards[id%shards]
	begin := time.Now()
	at.mu.RLock()
	defer at.mu.RUnlock()
	if id%64 == 0 {
		s.Waited.Since(begin)
	}
	return at.items[id]
}

// Sell queues the sale of an item; false when too many are queued.
func (s *Stock) Sell(id int) bool {
	select {
	case s.changes <- id % s.n:
		return true
	default:
		return false
	}
}

// Apply applies queued sales until ctx is done.
func (s *Stock) Apply(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-s.changes:
			s.sell(id)
		}
	}
}

func (s *Stock) sell(id int) {
	at := &s.shards[id%shards]
	at.mu.Lock()
	defer at.mu.Unlock()
	item := at.items[id]
	if item.Left--; item.Left < 0 {
		item.Left = 100
	}
	at.items[id] = item
	s.applied.Add(1)
}

// Reprice changes every price of one shard after the other, each under its lock.
func (s *Stock) Reprice(ctx context.Context) {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.reprice(n % shards)
		}
	}
}

func (s *Stock) reprice(n int) {
	at := &s.shards[n]
	at.mu.Lock()
	defer at.mu.Unlock()
	for id, item := range at.items {
		item.Cents += int64(id%3) - 1
		at.items[id] = item
	}
}

// Applied is how many sales were applied.
func (s *Stock) Applied() uint64 { return s.applied.Load() }
