// Package latency keeps how long the last few hundred requests took, as a service's own metrics would.
package latency

import (
	"sort"
	"sync"
	"time"
)

const kept = 512

// Recent is the last times; its zero value is ready.
type Recent struct {
	mu    sync.Mutex
	next  int
	times []time.Duration
}

// Add takes one.
func (r *Recent) Add(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.times) < kept {
		r.times = append(r.times, took)
		return
	}
	r.times[r.next] = took
	r.next = (r.next + 1) % kept
}

// Since takes the time from begin until now; for defer.
func (r *Recent) Since(begin time.Time) { r.Add(time.Since(begin)) }

// Millis is the median, the 99th percentile and the longest, in milliseconds; zeros when there are none.
func (r *Recent) Millis() (p50, p99, longest float64) {
	r.mu.Lock()
	sorted := append([]time.Duration(nil), r.times...)
	r.mu.Unlock()
	if len(sorted) == 0 {
		return 0, 0, 0
	}
	sort.Slice(sorted, func(i, j int) bool { return sorted[i] < sorted[j] })
	at := func(i int) float64 { return float64(sorted[i]) / float64(time.Millisecond) }
	last := len(sorted) - 1
	return at(last / 2), at(last * 99 / 100), at(last)
}
