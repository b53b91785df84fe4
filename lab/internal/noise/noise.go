// Package noise is what any service does beside its fault, and none of it grows: a bounded cache
// with steady eviction, a table read all the time, a worker pool that decodes and encodes JSON
// through pooled buffers, a ring of recent log lines, a ticker that keeps the last metrics.
package noise

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Background is the running noise.
type Background struct {
	cache   *lruCache
	table   map[string]product
	log     *logRing
	metrics *metricRing
	jobs    chan job
	served  atomic.Uint64
}

type product struct {
	SKU   string   `json:"sku"`
	Name  string   `json:"name"`
	Price int64    `json:"price"`
	Tags  []string `json:"tags"`
}

const (
	tableEntries = 40_000
	cacheEntries = 6_000
	workers      = 12
)

// Start fills everything to its final size before it returns, so that noise is steady from the
// first request on.
func Start(ctx context.Context) *Background {
	b := &Background{
		cache:   newLRUCache(cacheEntries),
		table:   buildTable(tableEntries),
		log:     newLogRing(4096),
		metrics: newMetricRing(1200),
		jobs:    make(chan job, 64),
	}
	for i := 0; i < cacheEntries; i++ {
		b.cache.put(strconv.Itoa(i), renderPage(i))
	}
	for i := 0; i < workers; i++ {
		go b.worker(ctx)
	}
	go b.feed(ctx)
	go b.sampleMetrics(ctx)
	return b
}

func buildTable(n int) map[string]product {
	table := make(map[string]product, n)
	for i := 0; i < n; i++ {
		sku := "SKU-" + strconv.Itoa(100_000+i)
		table[sku] = product{SKU: sku, Name: "Product " + strconv.Itoa(i), Price: int64(i%9000) + 99,
			Tags: []string{"stock", "eu"}}
	}
	return table
}

// renderPage makes a page of 1 to 3 KiB.
func renderPage(i int) []byte {
	page := make([]byte, 1024+(i*37)%2048)
	for j := range page {
		page[j] = byte('a' + (i+j)%26)
	}
	return page
}

// feed queues work at a steady rate: about 150 jobs a second.
func (b *Background) feed(ctx context.Context) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for n := cacheEntries; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for i := 0; i < 3; i++ {
				n++
				select {
				case b.jobs <- job{id: n, at: time.Now()}:
				default: // the pool is behind; this job is not worth waiting for
				}
			}
		}
	}
}

// sampleMetrics keeps ten points a second for the last two minutes.
func (b *Background) sampleMetrics(ctx context.Context) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			b.metrics.add(point{at: now, served: b.served.Load(), cached: b.cache.len()})
		}
	}
}

// ServeHTTP answers /catalogue?sku=...
func (b *Background) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := b.table[r.URL.Query().Get("sku")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	fmt.Fprintf(w, "%s %s %d\n", p.SKU, p.Name, p.Price)
}

// Log records each request in the ring.
func (b *Background) Log(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		next.ServeHTTP(w, r)
		b.served.Add(1)
		b.log.add(r.Method, r.URL.Path, time.Since(begin))
	})
}
