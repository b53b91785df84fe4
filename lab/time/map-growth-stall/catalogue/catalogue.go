// Package catalogue keeps the products of a shop by their number, and reads all of them anew from time to time.
package catalogue

import (
	"sync"
	"sync/atomic"
	"time"

	"oomph.example/lab/internal/latency"
)

// Product is one product, kept by value.
type Product struct {
	Number uint64
	Cents  [10]int64
	Stock  uint32
	Weight uint32
	Flags  uint64
}

// Catalogue is the products.
type Catalogue struct {
	// Waited: how long the last lookups waited for the lock; Held: how long the last reloads held it.
	Waited, Held latency.Recent

	mu      sync.RWMutex
	byName  map[string]Product
	reloads atomic.Uint64
}

// Find is the product of this name.
func (c *Catalogue) Find(name string) (Product, bool) {
	begin := time.Now()
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.Waited.Since(begin)
	p, ok := c.byName[name]
	return p, ok
}

// Reload reads all products anew, from their names in order.
func (c *Catalogue) Reload(names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.Held.Since(time.Now())
	c.byName = make(map[string]Product)
	for i, name := range names {
		c.byName[name] = Product{Number: uint64(i), Stock: uint32(i % 50)} // culprit
	}
	c.reloads.Add(1)
}

// Reloads is how often all was read anew.
func (c *Catalogue) Reloads() uint64 { return c.reloads.Load() }
