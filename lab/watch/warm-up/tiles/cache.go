// Package tiles caches map tiles, up to a number of them; the oldest makes room.
package tiles

import (
	"sync"

	"oomph.example/lab/internal/growth"
)

// Cache is the tiles by number.
type Cache struct {
	mu    sync.Mutex
	byID  map[uint64][]byte
	order []uint64
	next  int
}

// New makes room for so many tiles.
func New(most int) *Cache {
	return &Cache{byID: make(map[uint64][]byte), order: make([]uint64, 0, most)}
}

// Put renders a tile and keeps it.
func (c *Cache) Put(id uint64, size int) {
	tile := growth.Fill(make([]byte, size), id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.order) < cap(c.order) {
		c.order = append(c.order, id)
	} else {
		delete(c.byID, c.order[c.next])
		c.order[c.next] = id
		c.next = (c.next + 1) % len(c.order)
	}
	c.byID[id] = tile
}

// Len is how many there are, and whether there is room for more.
func (c *Cache) Len() (n uint64, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(len(c.order)), len(c.order) == cap(c.order)
}
