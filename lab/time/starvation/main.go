// Starvation: eight workers compute digests, each for tens of milliseconds without a wait, on two processors. Requests
// wait for a processor; collections are rare and short.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"strconv"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/time/starvation/digest"
)

//go:embed digest/digest.go
var source string

const (
	workers  = 8
	document = 512 << 10
)

func main() {
	service.Main(service.Spec{Name: "starvation", Rate: 100, Workers: 8, Procs: 2, Setup: setup})
}

func setup(env *service.Env) {
	queue := digest.New(4)
	for i := 0; i < workers; i++ {
		go queue.Work(env.Ctx)
	}
	go feed(env.Ctx, queue)
	prices := make(map[uint64]uint64)
	for n := uint64(0); n < 1000; n++ {
		prices[n] = n * 7919 % 10_000
	}
	env.Mux.HandleFunc("/price", func(w http.ResponseWriter, r *http.Request) {
		item, _ := strconv.ParseUint(r.URL.Query().Get("item"), 10, 64)
		fmt.Fprintln(w, prices[item%1000])
	})
	env.Request = func(ctx context.Context, n uint64) error {
		return env.Get(ctx, "/price?item="+strconv.FormatUint(n, 10))
	}
	env.Counts = func() truth.Counts {
		return truth.Counts{Goroutines: workers, Phase: truth.Steady, Measures: map[string]float64{"digests_count": float64(queue.Done())}}
	}
	env.Sites = []truth.Site{truth.Locate("calls", digest.Sum, source, "// culprit")}
}

// feed keeps the queue full: documents come faster than they are done.
func feed(ctx context.Context, queue *digest.Queue) {
	for n := 0; ctx.Err() == nil; n++ {
		d := make([]byte, document)
		for i := range d {
			d[i] = byte(i*31 + n*7)
		}
		queue.Put(ctx, d)
	}
}
