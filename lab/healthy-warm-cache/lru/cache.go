// Package lru is a cache of rendered tiles with a bounded number of entries.
package lru

import (
	"container/list"
	"sync"
	"sync/atomic"
)

// Tile is one rendered image.
type Tile struct {
	Key    string
	Pixels []byte
}

// Cache holds at most a fixed number of tiles and evicts the least recently used.
type Cache struct {
	mu      sync.Mutex
	limit   int
	order   *list.List
	byKey   map[string]*list.Element
	entries atomic.Uint64
	added   atomic.Uint64
}

// New makes an empty cache of at most limit tiles.
func New(limit int) *Cache {
	return &Cache{limit: limit, order: list.New(), byKey: make(map[string]*list.Element)}
}

// Get finds a tile and makes it the most recently used.
func (c *Cache) Get(key string) (*Tile, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*Tile), true
}

// Put adds a tile and evicts the oldest beyond the limit.
func (c *Cache) Put(tile *Tile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[tile.Key]; ok {
		e.Value = tile
		c.order.MoveToFront(e)
		return
	}
	for c.order.Len() >= c.limit {
		oldest := c.order.Remove(c.order.Back()).(*Tile)
		delete(c.byKey, oldest.Key)
	}
	c.byKey[tile.Key] = c.order.PushFront(tile)
	c.entries.Store(uint64(c.order.Len()))
	c.added.Add(1)
}

// Stats are the tiles held and all that were ever added.
func (c *Cache) Stats() (entries, added uint64) { return c.entries.Load(), c.added.Load() }
