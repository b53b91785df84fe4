// Package catalogue keeps the products of shops by their code, and reads all of them anew from time to time.
package catalogue

import (
	"sync"
	"sync/atomic"
	"time"

	"oomph.example/lab/internal/latency"
)

// Code is the code on a product's label.
type Code = [16]byte

// Product is one product, kept by value.
type Product struct {
	Number uint64
	Cents  [8]int64
	Stock  uint32
	Weight uint32
	Flags  uint64
}

// Catalogue is the products.
type Catalogue struct {
	// Waited: how long the last lookups waited for the lock; Held: how long the last reloads held it.
	Waited, Held latency.Recent

	mu      sync.RWMutex
	shops   []map[Code]Product
	reloads atomic.Uint64
}

// Find is the product of a shop by its code.
func (c *Catalogue) Find(shop int, code Code) (Product, bool) {
	begin := time.Now()
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.Waited.Since(begin)
	p, ok := c.shops[shop][code]
	return p, ok
}

// Reload reads all products of all shops anew, from their codes; lookups see the old ones until the new ones are
// complete.
func (c *Catalogue) Reload(shops [][]Code) {
	fresh := make([]map[Code]Product, len(shops))
	for i, codes := range shops {
		products := make(map[Code]Product, len(codes))
		for n, code := range codes {
			products[code] = Product{Number: uint64(n), Stock: uint32(n % 50)}
		}
		fresh[i] = products
	}
	c.swap(fresh)
	c.reloads.Add(1)
}

func (c *Catalogue) swap(fresh []map[Code]Product) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.Held.Since(time.Now())
	c.shops = fresh
}

// Reloads is how often all was read anew.
func (c *Catalogue) Reloads() uint64 { return c.reloads.Load() }
