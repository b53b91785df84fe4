// Lifetimes: objects with finalizers, cleanups, weak pointers; interned values.
package main

import (
	"runtime"
	"sync/atomic"

	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/sizeclass"
)

// Resource has a finalizer and something to finalize.
type Resource struct {
	handle uint64
	buffer *[300]byte
}

var (
	resources []*Resource
	finalized atomic.Uint64
	parked    chan struct{}
	queued    uint64
)

func main() { heapspec.Main("lifetimes", build) }

func build(p *heapspec.Program) {
	p.Passes(3)
	p.Add("main.resources", "finalizer", func() { open(p.N(1_000)) }, func(c *heapspec.Container) {
		c.SliceOf(resources, cap(resources))
		c.Global(&resources)
		c.ValueBytes = c.Entries * (16 + 300)
		c.Retained += c.Entries * (sizeclass.Of[Resource]() + sizeclass.Of[[300]byte]())
	})
	p.Grow("main.resources", func() { open(p.N(100)) })
	newer(p)
	// The last one: once a finalizer blocks, no other runs any more.
	parked = make(chan struct{})
	p.Add("finalizer queue", "finalizer", func() {
		abandon(p.N(500))
		runtime.GC()
	}, func(c *heapspec.Container) {
		c.Type = "*main.Resource"
		c.Entries = queued
		c.ValueBytes = queued * (16 + 300)
		c.Approx() // the one that blocks is held by the goroutine that runs finalizers
		c.Rule("finalizer-queue")
	})
}

func open(n int) {
	for i := 0; i < n; i++ {
		r := &Resource{handle: uint64(i), buffer: new([300]byte)}
		runtime.SetFinalizer(r, func(*Resource) { finalized.Add(1) })
		resources = append(resources, r)
	}
}

// abandon drops resources whose finalizer never returns: the first blocks, the others wait.
func abandon(n int) {
	for i := 0; i < n; i++ {
		r := &Resource{handle: uint64(i), buffer: new([300]byte)}
		runtime.SetFinalizer(r, func(*Resource) { <-parked })
	}
	queued = uint64(n)
}
