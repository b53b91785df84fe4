// Gc-storm: a quiet service with a collection every few seconds. Every eight seconds a client exports tables for two
// seconds; the lines of text are garbage at once, and the collector runs many times a second. It calls itself steady
// when one export, from its beginning to its end, lies within the next eight seconds.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"sync"
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
	period = 8 * time.Second
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
	client := &exporter{next: time.Now().Add(period)}
	go client.run(env)
	env.Counts = func() truth.Counts {
		return truth.Counts{Entries: rows, AllocatedBytes: written.Load(), Phase: client.phase(),
			Measures: map[string]float64{"exports_count": float64(exports.Load())}}
	}
	env.Sites = []truth.Site{truth.Locate("allocates", export.Write, source, "// culprit")}
}

// exporter is the client that comes every eight seconds.
type exporter struct {
	mu   sync.Mutex
	next time.Time
}

// phase is steady when the next export begins in some seconds, but not too many.
func (e *exporter) phase() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if left := time.Until(e.next); left < 3*time.Second/2 || left > 9*time.Second/2 {
		return truth.Warming
	}
	return truth.Steady
}

func (e *exporter) run(env *service.Env) {
	for {
		wait := time.NewTimer(time.Until(e.next))
		select {
		case <-env.Ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
		for end := e.next.Add(storm); time.Now().Before(end); {
			if env.Ctx.Err() != nil || env.Get(env.Ctx, "/export") != nil {
				break
			}
		}
		e.mu.Lock()
		e.next = e.next.Add(period)
		e.mu.Unlock()
	}
}
