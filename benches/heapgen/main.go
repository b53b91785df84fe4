// heapgen writes a heap profile with at least the number of distinct stacks asked for.
//
//	go run main.go -stacks 25000 -o heap.pb.gz [-copies 100]
//
// Stacks are paths through a small set of mutually recursive functions, so that names repeat and
// depth varies as in a real service. With -copies N it writes N profiles NAME-0.pb.gz and so on,
// allocating a little between them.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
)

var keep [][]byte

//go:noinline
func alloc(n int) { keep = append(keep, make([]byte, n)) }

//go:noinline
func handle(path uint64, depth int) { step(path, depth) }

//go:noinline
func decode(path uint64, depth int) { step(path, depth) }

//go:noinline
func lookup(path uint64, depth int) { step(path, depth) }

//go:noinline
func render(path uint64, depth int) { step(path, depth) }

//go:noinline
func step(path uint64, depth int) {
	if depth == 0 {
		if path&1 == 0 {
			alloc(64)
		} else {
			alloc(4096)
		}
		return
	}
	switch path & 3 {
	case 0:
		handle(path>>2, depth-1)
	case 1:
		decode(path>>2, depth-1)
	case 2:
		lookup(path>>2, depth-1)
	default:
		render(path>>2, depth-1)
	}
}

func main() {
	stacks := flag.Int("stacks", 25000, "distinct stacks")
	copies := flag.Int("copies", 0, "write this many profiles")
	out := flag.String("o", "heap.pb.gz", "output file")
	flag.Parse()
	runtime.MemProfileRate = 1
	for i := 0; i < *stacks; i++ {
		handle(uint64(i), 8+i%6)
	}
	n := *copies
	if n == 0 {
		n = 1
	}
	for i := 0; i < n; i++ {
		name := *out
		if *copies > 0 {
			name = fmt.Sprintf("%s-%d.pb.gz", strings.TrimSuffix(*out, ".pb.gz"), i)
		}
		for k := 0; k < 200; k++ {
			handle(uint64(*stacks+200*i+k), 9)
		}
		runtime.GC()
		f, err := os.Create(name)
		if err != nil {
			panic(err)
		}
		if err := pprof.WriteHeapProfile(f); err != nil {
			panic(err)
		}
		f.Close()
	}
	runtime.KeepAlive(keep)
}
