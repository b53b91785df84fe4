package tree

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

// Serve answers /price from the tree with a page of 128 KiB, and makes that the request of the load
// generator: garbage beside a live heap that stays the same.
func Serve(env *service.Env, catalogue *Node, depth int) {
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
		held := Nodes(depth) * NodeBytes
		return truth.Counts{Entries: Nodes(depth), HeldBytes: held, CulpritBytes: held,
			AllocatedBytes: allocated.Load(), Phase: truth.Steady}
	}
}
