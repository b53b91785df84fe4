//go:build go1.24

package main

import (
	"runtime"
	"unique"
	"weak"

	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/sizeclass"
)

// Page is referred to weakly.
type Page struct{ body [500]byte }

var (
	strong   []*Page
	weaklyTo []weak.Pointer[Page]
	gone     []weak.Pointer[Page]
	cleaned  []*Page
	interned []unique.Handle[string]
)

func newer(p *heapspec.Program) {
	n := p.N(1_000)
	p.Add("main.weaklyTo", "weak", func() {
		for i := 0; i < n; i++ {
			page := new(Page)
			strong = append(strong, page)
			weaklyTo = append(weaklyTo, weak.Make(page))
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(weaklyTo, cap(weaklyTo))
		c.Global(&weaklyTo)
		// A weak pointer is a handle of one word (16 bytes from Go 1.26 on, 8 before; both without
		// pointers): it does not hold its page. The page's special record holds the handle as well.
	}, heapspec.Beside(func() uint64 {
		return sizeclass.Array[*Page](cap(strong)) + uint64(len(strong))*sizeclass.Of[Page]() +
			handles(uint64(len(strong)))
	}))
	p.Add("main.gone", "weak", func() {
		for i := 0; i < n; i++ {
			gone = append(gone, weak.Make(new(Page)))
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(gone, cap(gone))
		c.Global(&gone)
		c.Retained += handles(c.Entries)
	})
	p.Add("main.cleaned", "cleanup", func() {
		for i := 0; i < n; i++ {
			page := new(Page)
			runtime.AddCleanup(page, func(id int) { finalized.Add(uint64(id)) }, i)
			cleaned = append(cleaned, page)
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(cleaned, cap(cleaned))
		c.Global(&cleaned)
		c.ValueBytes = c.Entries * 500
		c.Approx() // the closures of the cleanups differ by version
	})
	p.Add("main.interned", "unique", func() {
		for i := 0; i < n; i++ {
			interned = append(interned, unique.Make(heapspec.Prefixed("an interned string ", i)))
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(interned, cap(interned))
		c.Global(&interned)
		c.ValueBytes = c.Entries * 27
		c.Approx() // the table of package unique grows with them
	})
}

func handles(n uint64) uint64 {
	if sizeclass.GoMinor() >= 26 {
		return n * 16
	}
	return n * sizeclass.Bytes(8, true)
}
