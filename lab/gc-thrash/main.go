// Gc-thrash: a live heap of 128 MiB full of pointers, and GOGC set so low that the collector runs all
// the time.
package main

import (
	"context"
	"fmt"
	"net/http"

	"runtime/debug"
	"sync/atomic"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/tree"
	"oomph.example/lab/internal/truth"
)

func main() { service.Main(service.Spec{Name: "gc-thrash", Rate: 450, Workers: 4, Setup: setup}) }

const depth = 21

var catalogue *tree.Node

func setup(env *service.Env) {
	catalogue = tree.Build(depth)
	debug.SetGCPercent(5)
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
