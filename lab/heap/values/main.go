// Values: closures with large captures, boxed numbers, generic containers, tiny objects.
package main

import (
	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/mapshape"
	"oomph.example/lab/internal/sizeclass"
)

// Pair is a generic value.
type Pair[A, B any] struct {
	First  A
	Second B
}

// Stack is a generic container.
type Stack[T any] struct {
	items []T
	next  *Stack[T]
}

// Cache is a generic map behind a pointer.
type Cache[K comparable, V any] struct {
	entries map[K]V
	hits    uint64
}

type flags struct{ a, b bool }

var (
	handlers []func() byte
	boxed    []any
	small    []any
	floats   []any
	pairs    []*Pair[string, *int64]
	stack    *Stack[Pair[uint64, uint64]]
	cache    *Cache[string, Pair[int, string]]
	bytesOne []*byte
	words    []*uint32
	bits     []*flags
)

func main() { heapspec.Main("values", build) }

func build(p *heapspec.Program) {
	captures(p)
	boxes(p)
	generics(p)
	tiny(p)
}

func captures(p *heapspec.Program) {
	p.Add("main.handlers", "slice", func() { capture(p.N(200)) }, func(c *heapspec.Container) {
		c.SliceOf(handlers, cap(handlers))
		c.Global(&handlers)
		c.ValueBytes = c.Entries * 40_000
		// A closure is its code pointer and the captured pointer.
		c.Retained += c.Entries * (sizeclass.Bytes(16, true) + sizeclass.Of[[40_000]byte]())
		c.Rule("leak-suspect")
	})
	p.Grow("main.handlers", func() { capture(p.N(50)) })
}

func capture(n int) {
	for i := 0; i < n; i++ {
		page := new([40_000]byte)
		handlers = append(handlers, func() byte { return page[0] })
	}
}

func boxes(p *heapspec.Program) {
	p.Add("main.boxed", "slice", func() {
		boxed = make([]any, p.N(50_000))
		for i := range boxed {
			boxed[i] = i + 256
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(boxed, cap(boxed))
		c.Global(&boxed)
		c.ValueBytes = c.Entries * 8
		c.Retained += sizeclass.Tiny(c.Entries, 8)
		c.Rule("interface-boxing")
	})
	p.Add("main.small", "slice", func() {
		small = make([]any, p.N(50_000))
		for i := range small {
			small[i] = i % 256 // the runtime has these values in its data
		}
	}, func(c *heapspec.Container) { c.SliceOf(small, cap(small)); c.Global(&small) })
	p.Add("main.floats", "slice", func() {
		floats = make([]any, p.N(10_000))
		for i := range floats {
			floats[i] = float64(i) + 0.5
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(floats, cap(floats))
		c.Global(&floats)
		c.ValueBytes = c.Entries * 8
		c.Retained += sizeclass.Tiny(c.Entries, 8)
		c.Rule("interface-boxing")
	})
}

func generics(p *heapspec.Program) {
	p.Add("main.pairs", "slice", func() {
		for i := 0; i < p.N(5_000); i++ {
			pairs = append(pairs, &Pair[string, *int64]{First: heapspec.Prefixed("first-of-a-pair-", i)})
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(pairs, cap(pairs))
		c.Global(&pairs)
		for _, pair := range pairs {
			c.ValueBytes += 24 + uint64(len(pair.First))
			c.Retained += sizeclass.Of[Pair[string, *int64]]() + sizeclass.Str(len(pair.First))
		}
	})
	p.Add("main.stack", "list", func() {
		for i := 0; i < 100; i++ {
			stack = &Stack[Pair[uint64, uint64]]{items: make([]Pair[uint64, uint64], 50), next: stack}
		}
	}, func(c *heapspec.Container) {
		c.Is(stack)
		c.Global(&stack)
		c.Entries, c.Depth = 100, 100
		c.StructBytes = c.Entries * sizeclass.Of[Stack[Pair[uint64, uint64]]]()
		c.Retained = c.StructBytes + c.Entries*sizeclass.Array[Pair[uint64, uint64]](50)
	})
	p.Add("main.cache.entries", "map", func() {
		cache = &Cache[string, Pair[int, string]]{entries: map[string]Pair[int, string]{}}
		for i := 0; i < p.N(4_000); i++ {
			cache.entries[heapspec.Prefixed("generic-cache-key-", i)] = Pair[int, string]{First: i}
		}
	}, func(c *heapspec.Container) {
		c.MapOf(cache.entries)
		c.Global(&cache)
		c.Retained = mapshape.Of(cache.entries).Bytes
		for k := range cache.entries {
			c.KeyBytes += uint64(len(k))
			c.Retained += sizeclass.Str(len(k))
		}
	}, heapspec.Beside(func() uint64 { return sizeclass.Of[Cache[string, Pair[int, string]]]() }))
}

func tiny(p *heapspec.Program) {
	p.Add("main.bytesOne", "slice", func() {
		bytesOne = make([]*byte, p.N(32_000))
		for i := range bytesOne {
			bytesOne[i] = new(byte)
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(bytesOne, cap(bytesOne))
		c.Global(&bytesOne)
		c.ValueBytes = c.Entries
		c.Retained += sizeclass.Tiny(c.Entries, 1)
	})
	p.Add("main.words", "slice", func() {
		words = make([]*uint32, p.N(20_000))
		for i := range words {
			words[i] = new(uint32)
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(words, cap(words))
		c.Global(&words)
		c.ValueBytes = c.Entries * 4
		c.Retained += sizeclass.Tiny(c.Entries, 4)
	})
	p.Add("main.bits", "slice", func() {
		bits = make([]*flags, p.N(16_000))
		for i := range bits {
			bits[i] = new(flags)
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(bits, cap(bits))
		c.Global(&bits)
		c.ValueBytes = c.Entries * 2
		c.Retained += sizeclass.Tiny(c.Entries, 2)
	})
}
