package noise

import (
	"container/list"
	"sync"
	"time"
)

// lruCache holds at most limit pages and evicts the least recently used.
type lruCache struct {
	mu    sync.Mutex
	limit int
	order *list.List
	byKey map[string]*list.Element
}

type cached struct {
	key  string
	page []byte
}

func newLRUCache(limit int) *lruCache {
	return &lruCache{limit: limit, order: list.New(), byKey: make(map[string]*list.Element, limit+1)}
}

func (c *lruCache) put(key string, page []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		e.Value.(*cached).page = page
		c.order.MoveToFront(e)
		return
	}
	if c.order.Len() >= c.limit {
		oldest := c.order.Back()
		delete(c.byKey, c.order.Remove(oldest).(*cached).key)
	}
	c.byKey[key] = c.order.PushFront(&cached{key: key, page: page})
}

func (c *lruCache) get(key string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).page
}

func (c *lruCache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}

// logRing keeps the last lines, each in a slot's own buffer that is used again.
type logRing struct {
	mu    sync.Mutex
	next  int
	lines [][]byte
}

func newLogRing(n int) *logRing {
	r := &logRing{lines: make([][]byte, n)}
	for i := range r.lines {
		r.lines[i] = make([]byte, 0, 128)
	}
	return r
}

func (r *logRing) add(method, path string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := r.lines[r.next][:0]
	line = append(line, method...)
	line = append(line, ' ')
	if len(path) > 64 {
		path = path[:64]
	}
	line = append(line, path...)
	line = append(line, ' ')
	line = append(line, took.String()...)
	r.lines[r.next] = line
	r.next = (r.next + 1) % len(r.lines)
}

type point struct {
	at     time.Time
	served uint64
	cached int
}

// metricRing keeps the last points in an array of fixed size.
type metricRing struct {
	mu     sync.Mutex
	next   int
	points []point
}

func newMetricRing(n int) *metricRing { return &metricRing{points: make([]point, n)} }

func (r *metricRing) add(p point) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.points[r.next] = p
	r.next = (r.next + 1) % len(r.points)
}
