// Gc-storm: a quiet service with a collection every few seconds. Every six seconds a client exports tables for two
// seconds; the lines of text are garbage at once, and the collector runs many times a second.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/time/gc-storm/export"
)

//go:embed export/export.go
var source string

const (
	rows   = 2000
	period = 6 * time.Second
	storm  = 2 * time.Second
)

func main() {
	service.Main(service.Spec{Name: "gc-storm", Rate: 100, Workers: 4, Procs: 2, Setup: setup})
}

func setup(env *service.Env) {
	table := export.Table(rows)
	var written, exports atomic.Uint64
	env.Mux.HandleFunc("/item", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, table[17].Name) })
	env.Mux.HandleFunc("/export", func(w http.ResponseWriter, _ *http.Request) {
		sum, bytes := export.Write(table)
		written.Add(bytes)
		exports.Add(1)
		fmt.Fprintf(w, "%08x\n", sum)
	})
	env.Request = func(ctx context.Context, _ uint64) error { return env.Get(ctx, "/item") }
	go exporter(env)
	env.Counts = func() truth.Counts {
		return truth.Counts{Entries: rows, AllocatedBytes: written.Load(), Phase: truth.Steady,
			Measures: map[string]float64{"exports_count": float64(exports.Load())}}
	}
	env.Sites = []truth.Site{truth.Locate("allocates", export.Write, source, "// culprit")}
}

// exporter is the client that comes every six seconds; its first visit is in the middle of the first period.
func exporter(env *service.Env) {
	for next := time.NewTimer(period / 2); ; next.Reset(period - storm) {
		select {
		case <-env.Ctx.Done():
			return
		case <-next.C:
		}
		for end := time.Now().Add(storm); time.Now().Before(end); {
			if env.Ctx.Err() != nil || env.Get(env.Ctx, "/export") != nil {
				break
			}
		}
	}
}
