//go:build cgo

// Cgo: a program with a C library in it: memory from malloc, a handle that C keeps, a callback.
package main

/*
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uintptr_t kept[64];
static void *blocks[256];

static void keep(int i, uintptr_t handle) { kept[i] = handle; }
static void fill(int i, size_t n) { blocks[i] = malloc(n); memset(blocks[i], i, n); }
*/
import "C"

import (
	"runtime/cgo"

	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/sizeclass"
)

type subscriber struct {
	id    uint64
	queue [2_000]uint64
}

var (
	cache   map[string]*subscriber
	handles []cgo.Handle
)

func main() { heapspec.Main("cgo", build) }

func build(p *heapspec.Program) {
	p.Add("main.cache", "map", func() {
		cache = map[string]*subscriber{}
		add(0, p.N(500))
	}, func(c *heapspec.Container) {
		c.MapOf(cache)
		c.Global(&cache)
		for k := range cache {
			c.KeyBytes += uint64(len(k))
			c.Retained += sizeclass.Str(len(k)) + sizeclass.Of[subscriber]()
		}
		c.ValueBytes = c.Entries * 16_008
		c.Rule("unbounded-map")
	})
	p.Grow("main.cache", func() { add(len(cache), p.N(100)) })
	p.Add("runtime/cgo.handles", "sync.Map", func() {
		for i := 0; i < 50; i++ {
			handle := cgo.NewHandle(&subscriber{id: uint64(i)})
			handles = append(handles, handle)
			C.keep(C.int(i), C.uintptr_t(handle))
		}
	}, func(c *heapspec.Container) {
		c.Type = "sync.Map"
		c.Entries = 50
		c.ValueBytes = 50 * 16_008
		c.Approx()
		c.Rule("cgo-handle")
	})
	p.Tell("malloc", "off-heap", func(c *heapspec.Container) {
		c.Type = "C"
		c.Entries = 256
		c.ValueBytes = 256 << 16
		c.RetainedApprox = true
	})
	for i := 0; i < 256; i++ {
		C.fill(C.int(i), 1<<16)
	}
}

func add(from, n int) {
	for i := from; i < from+n; i++ {
		cache[heapspec.Prefixed("subscriber-number-", i)] = &subscriber{id: uint64(i)}
	}
}
