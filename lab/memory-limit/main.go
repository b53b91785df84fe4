// Memory-limit: a live heap of 128 MiB full of pointers, and a memory limit so close above it that
// the collector runs all the time.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/tree"
	"oomph.example/lab/internal/truth"
)

func main() { service.Main(service.Spec{Name: "memory-limit", Rate: 200, Workers: 4, Setup: setup}) }

const depth = 21

var catalogue *tree.Node

// restart runs this program again in the same process, with GOMEMLIMIT in its environment as a deployment would set it.
func restart() {
	var ms runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&ms)
	// What the limit counts beside the heap, the live heap, and 12 MiB to breathe.
	limit := ms.Sys - ms.HeapSys + ms.HeapInuse + 12<<20
	exe, err := os.Executable()
	if err == nil {
		err = syscall.Exec(exe, os.Args, append(os.Environ(), fmt.Sprintf("GOMEMLIMIT=%d", limit)))
	}
	fmt.Fprintln(os.Stderr, "restarting with a memory limit:", err)
	os.Exit(1)
}

func setup(env *service.Env) {
	catalogue = tree.Build(depth)
	if os.Getenv("GOMEMLIMIT") == "" {
		restart()
	}
	var allocated atomic.Uint64
	env.Mux.HandleFunc("/price", func(w http.ResponseWriter, r *http.Request) {
		page := make([]byte, 0, 128<<10)
		for i := uint64(0); i < 200; i++ {
			page = append(page, byte(catalogue.Sum(i*2654435761)))
		}
		allocated.Add(uint64(cap(page)))
		fmt.Fprintf(w, "%x\n", page[:16])
	})
	env.Request = func(ctx context.Context, _ uint64) error { return env.Get(ctx, "/price") }
	env.Counts = func() truth.Counts {
		nodes := tree.Nodes(depth)
		return truth.Counts{Entries: nodes, HeldBytes: nodes * tree.NodeBytes, CulpritBytes: nodes * tree.NodeBytes,
			AllocatedBytes: allocated.Load(), Phase: truth.Steady}
	}
}
