// Busy: a map, a slice and a list that goroutines work on without rest, so that whenever the heap is looked at some
// have pointers into them in their frames and registers, and pointers left over from calls that are over.
package main

import (
	"container/list"
	"sync"
	"sync/atomic"

	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/sizeclass"
)

type order struct {
	number uint64
	lines  [7]uint64
}

const workers = 4

var (
	mu     sync.RWMutex
	orders map[uint64]*order
	queue  []*order
	trail  *list.List
	start  sync.Once
	sum    atomic.Uint64
)

func main() { heapspec.Main("busy", build) }

func build(p *heapspec.Program) {
	each := sizeclass.Of[order]()
	p.Add("main.orders", "map", func() {
		orders = map[uint64]*order{}
		for i := 0; i < p.N(100_000); i++ {
			orders[uint64(i)] = &order{number: uint64(i)}
		}
	}, func(c *heapspec.Container) {
		c.MapOf(orders)
		c.Global(&orders)
		c.ValueBytes = c.Entries * each
		c.Retained += c.Entries * each
	})
	p.Add("main.queue", "slice", func() {
		queue = make([]*order, p.N(100_000))
		for i := range queue {
			queue[i] = &order{number: uint64(i)}
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(queue, cap(queue))
		c.Global(&queue)
		c.ValueBytes = c.Entries * each
		c.Retained += c.Entries * each
	})
	p.Add("main.trail", "list", func() {
		trail = list.New()
		for i := 0; i < p.N(100_000); i++ {
			trail.PushBack(&order{number: uint64(i)})
		}
	}, func(c *heapspec.Container) {
		c.Is(trail)
		c.Global(&trail)
		c.Entries = uint64(trail.Len())
		c.Depth = c.Entries
		c.ValueBytes = c.Entries * each
		c.StructBytes = sizeclass.Of[list.List]() + c.Entries*sizeclass.Of[list.Element]()
		c.Retained = c.StructBytes + c.Entries*each
		c.Rule("deep-chain")
	})
	p.Last(func() {
		start.Do(func() {
			for w := uint64(1); w <= workers; w++ {
				go work(w)
			}
		})
	})
}

// work reads without end: one goroutine looks things up, the next walks the slice, the next the list.
func work(w uint64) {
	for n := uint64(0); ; n++ {
		switch w % 3 {
		case 0:
			sum.Add(walk())
		case 1:
			sum.Add(find(w*n*0x9e3779b97f4a7c15, 1000))
		default:
			sum.Add(scan())
		}
	}
}

//go:noinline
func find(from uint64, n int) uint64 {
	var s uint64
	for i := 0; i < n; i++ {
		from = from*6364136223846793005 + 1442695040888963407
		mu.RLock()
		if o := orders[(from>>33)%uint64(len(queue))]; o != nil {
			s += o.number
		}
		mu.RUnlock()
	}
	return s
}

//go:noinline
func scan() uint64 {
	var s uint64
	for _, o := range queue {
		s += o.lines[0] + o.number
	}
	return s
}

//go:noinline
func walk() uint64 {
	var s uint64
	for e := trail.Front(); e != nil; e = e.Next() {
		s += e.Value.(*order).number
	}
	return s
}
