// Fills a heap with objects of many sizes, with and without pointers, makes holes and garbage,
// tells what the runtime counts, and waits until its standard input ends.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
)

type node struct {
	next *node
	pad  [3]uint64
}

type wide struct {
	p [100]*node
}

var (
	small  []*node
	large  [][]byte
	header []*wide
	tiny   []*uint16
	texts  map[string]*node
	holes  []any
)

func main() {
	for i := 0; i < 20000; i++ {
		small = append(small, &node{})
		if i%7 == 0 {
			v := uint16(i)
			tiny = append(tiny, &v)
		}
	}
	for i := 0; i < 300; i++ {
		large = append(large, make([]byte, 1000*i))
		header = append(header, &wide{})
	}
	texts = map[string]*node{}
	for i := 0; i < 50000; i++ {
		texts[fmt.Sprint("key-", i)] = &node{}
	}
	for i := 0; i < 40000; i++ {
		b := make([]byte, i%3000)
		if i%10 == 0 {
			holes = append(holes, b)
		}
	}
	runtime.GC()
	debug.SetGCPercent(-1)
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Println(m.HeapObjects, m.HeapAlloc, m.Mallocs)
	if len(os.Args) > 1 {
		// Garbage that no cycle has found.
		for i := 0; i < 100000; i++ {
			holes[0] = make([]byte, 128)
		}
		runtime.ReadMemStats(&m)
	}
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(small)
}
