// Syncs: sync.Map in its states, sync.Pool with buffers in it.
package main

import (
	"runtime"
	"sync"
	"unsafe"

	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/sizeclass"
)

type session struct {
	id   uint64
	name string
}

var (
	few     sync.Map
	many    sync.Map
	clean   sync.Map
	deleted sync.Map
	pool    sync.Pool
	victims sync.Pool
	onHeap  *sync.Pool
)

const (
	pooled      = 64
	bufferBytes = 256 << 10
)

func main() { heapspec.Main("syncs", build) }

func build(p *heapspec.Program) {
	maps(p)
	pools(p)
}

func store(m *sync.Map, from, n int) {
	for i := from; i < from+n; i++ {
		m.Store(heapspec.Prefixed("sync-map-key-number-", i), &session{id: uint64(i)})
	}
}

func maps(p *heapspec.Program) {
	p.Add("main.few", "sync.Map", func() { store(&few, 0, 5) }, of(&few))
	p.Add("main.many", "sync.Map", func() { store(&many, 0, p.N(100_000)) }, of(&many))
	p.Grow("main.many", func() { store(&many, p.N(100_000)*2, p.N(10_000)) })
	p.Add("main.clean", "sync.Map", func() {
		store(&clean, 0, p.N(5_000))
		// Range promotes what is dirty (Go 1.23 and before).
		clean.Range(func(_, _ any) bool { return true })
	}, of(&clean))
	p.Add("main.deleted", "sync.Map", func() {
		store(&deleted, 0, p.N(20_000))
		for i := 10; i < p.N(20_000); i++ {
			deleted.Delete(heapspec.Prefixed("sync-map-key-number-", i))
		}
	}, func(c *heapspec.Container) {
		of(&deleted)(c)
		c.Rule("sync-map-misuse")
	})
}

// of counts entries without Range, which changes a map of Go 1.23 and before.
func of(m *sync.Map) func(c *heapspec.Container) {
	return func(c *heapspec.Container) {
		c.Is(m)
		c.Global(m)
		c.KeySize, c.ElemSize = 16, 16
		structure := structureOf(m, func(key, value any) {
			k := key.(string)
			c.KeyBytes += uint64(len(k))
			c.Retained += sizeclass.Of[string]() + sizeclass.Str(len(k))
			if value != nil { // a deleted key may stay for a while
				c.Entries++
				c.ValueBytes += uint64(unsafe.Sizeof(session{}))
				c.Retained += sizeclass.Of[session]()
			} else {
				c.Deleted++
			}
		})
		c.StructBytes = structure
		c.Retained += structure
	}
}

func pools(p *heapspec.Program) {
	p.Tell("main.pool", "sync.Pool", ofPool(&pool))
	p.Tell("main.victims", "sync.Pool", func(c *heapspec.Container) {
		ofPool(&victims)(c)
		c.Victims = pooled
	})
	onHeap = new(sync.Pool)
	p.Tell("main.onHeap", "sync.Pool", func(c *heapspec.Container) {
		c.Is(onHeap)
		c.Global(&onHeap)
		c.Retained = sizeclass.Of[sync.Pool]()
	})
	p.Last(func() { fill(&pool) })
	p.Late(func() { fill(&victims) })
}

func ofPool(pool *sync.Pool) func(c *heapspec.Container) {
	return func(c *heapspec.Container) {
		c.Is(pool)
		c.Global(pool)
		c.Entries = pooled
		c.ElemSize = 8
		c.ValueBytes = pooled * bufferBytes
		c.Retained = pooled * sizeclass.Of[[bufferBytes]byte]()
		// The arrays per P and the queues in them are on top; they are made after the document.
		c.RetainedApprox = true
		c.Rule("pool-hoarding")
	}
}

// fill hands the pool buffers that were in use at the same time.
func fill(pool *sync.Pool) {
	for i := range inUse {
		inUse[i] = new([bufferBytes]byte)
	}
	for i := range inUse {
		pool.Put(inUse[i])
		inUse[i] = nil
	}
	runtime.KeepAlive(pool)
}

var inUse [pooled]*[bufferBytes]byte
