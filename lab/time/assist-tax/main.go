// Assist-tax: two importers make nearly all the garbage, beside a live heap of pointers; the subscribers of a
// pricing desk, which allocate 16 bytes now and then, pay for the collections by mark assists.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"strconv"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/tree"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/time/assist-tax/importer"
	"oomph.example/lab/time/assist-tax/pricing"
)

//go:embed importer/importer.go
var source string

const (
	depth       = 20
	subscribers = 1000
	importers   = 2
	// Per 5 ms.
	chunks = 64
)

func main() {
	service.Main(service.Spec{Name: "assist-tax", Rate: 50, Workers: 4, Procs: 2, Setup: setup})
}

// catalogue is what the service holds: 64 MiB of pointers.
var catalogue *tree.Node

func setup(env *service.Env) {
	catalogue = tree.Build(depth)
	parties := make([]*string, 256)
	for i := range parties {
		name := "party " + strconv.Itoa(i)
		parties[i] = &name
	}
	imports := importer.New(parties, []string{"spot", "eu"})
	go imports.Feed(env.Ctx, chunks)
	for i := 0; i < importers; i++ {
		go imports.Run(env.Ctx)
	}
	desk := pricing.New(env.Ctx, subscribers)
	go desk.Publish(env.Ctx)
	env.Mux.HandleFunc("/price", func(w http.ResponseWriter, r *http.Request) {
		item, _ := strconv.ParseUint(r.URL.Query().Get("item"), 10, 64)
		fmt.Fprintln(w, catalogue.Sum(item))
	})
	env.Request = func(ctx context.Context, n uint64) error {
		return env.Get(ctx, "/price?item="+strconv.FormatUint(n*2654435761, 10))
	}
	env.Counts = func() truth.Counts {
		p50, p99, longest := desk.Took.Millis()
		held := tree.Nodes(depth) * tree.NodeBytes
		return truth.Counts{Entries: tree.Nodes(depth), HeldBytes: held,
			AllocatedBytes: imports.Records() * truth.SizeOf[importer.Record](), Phase: truth.Steady,
			Measures: map[string]float64{"updates_count": float64(desk.Updates()),
				"update_p50_ms": p50, "update_p99_ms": p99, "update_max_ms": longest}}
	}
	env.Sites = []truth.Site{truth.Locate("allocates", (*importer.Importer).Import, source, "// culprit")}
}
