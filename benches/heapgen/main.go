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
func handle(path uint64, depth int) {
	if path&8 == 0 {
		step(path>>4, depth)
	} else {
		step(path>>4, depth)
	}
}

//go:noinline
func decode(path uint64, depth int) {
	if path&8 == 0 {
		step(path>>4, depth)
	} else {
		step(path>>4, depth)
	}
}

//go:noinline
func lookup(path uint64, depth int) {
	if path&8 == 0 {
		step(path>>4, depth)
	} else {
		step(path>>4, depth)
	}
}

//go:noinline
func render(path uint64, depth int) {
	if path&8 == 0 {
		step(path>>4, depth)
	} else {
		step(path>>4, depth)
	}
}

//go:noinline
func encode(path uint64, depth int) {
	if path&8 == 0 {
		step(path>>4, depth)
	} else {
		step(path>>4, depth)
	}
}

//go:noinline
func verify(path uint64, depth int) {
	if path&8 == 0 {
		step(path>>4, depth)
	} else {
		step(path>>4, depth)
	}
}

//go:noinline
func expand(path uint64, depth int) {
	if path&8 == 0 {
		step(path>>4, depth)
	} else {
		step(path>>4, depth)
	}
}

//go:noinline
func reduce(path uint64, depth int) {
	if path&8 == 0 {
		step(path>>4, depth)
	} else {
		step(path>>4, depth)
	}
}

//go:noinline
func step(path uint64, depth int) {
	if depth == 0 {
		if path&16 == 0 {
			alloc(64)
		} else {
			alloc(1024)
		}
		return
	}
	path = path*6364136223846793005 + 1442695040888963407
	path ^= path >> 29
	switch path & 7 {
	case 0:
		handle(path, depth-1)
	case 1:
		decode(path, depth-1)
	case 2:
		lookup(path, depth-1)
	case 3:
		render(path, depth-1)
	case 4:
		encode(path, depth-1)
	case 5:
		verify(path, depth-1)
	case 6:
		expand(path, depth-1)
	default:
		reduce(path, depth-1)
	}
}

func main() {
	stacks := flag.Int("stacks", 25000, "distinct stacks")
	copies := flag.Int("copies", 0, "write this many profiles")
	depth := flag.Int("depth", 60, "mean depth in calls (two frames each)")
	out := flag.String("o", "heap.pb.gz", "output file")
	flag.Parse()
	runtime.MemProfileRate = 1
	for i := 0; i < *stacks; i++ {
		handle(uint64(i)<<20, *depth/2+i%*depth)
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
			handle(uint64(*stacks+200*i+k)<<20, *depth)
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
