// Package shop serves a catalogue that is read anew from time to time, whatever way it is kept.
package shop

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"oomph.example/lab/internal/latency"
	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

const (
	products = 700_000
	every    = 1500 * time.Millisecond
)

// Shop is the catalogue, as far as its users see it.
type Shop struct {
	Find    func(name string) (uint64, bool)
	Reload  func(names []string)
	Reloads func() uint64
	// Waited: how long lookups waited for the lock; Held: how long reloads held it.
	Waited, Held *latency.Recent
}

// Serve answers /product?name=... from the catalogue, reads it anew from time to time, and makes the lookup the
// request of the load generator.
func Serve(env *service.Env, s Shop) {
	names := make([]string, products)
	for i := range names {
		names[i] = "product/" + strconv.Itoa(i*7919%products) + "/eu"
	}
	s.Reload(names)
	go reload(env.Ctx, s, names)
	env.Mux.HandleFunc("/product", func(w http.ResponseWriter, r *http.Request) {
		number, ok := s.Find(r.URL.Query().Get("name"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintln(w, number)
	})
	env.Request = func(ctx context.Context, n uint64) error {
		return env.Get(ctx, "/product?name="+names[n*104729%products])
	}
	env.Counts = func() truth.Counts {
		_, _, waited := s.Waited.Millis()
		p50, _, held := s.Held.Millis()
		return truth.Counts{Entries: products, Phase: truth.Steady, Measures: map[string]float64{
			"reloads_count": float64(s.Reloads()), "lookup_waited_max_ms": waited, "lock_held_p50_ms": p50, "lock_held_max_ms": held}}
	}
}

func reload(ctx context.Context, s Shop, names []string) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.Reload(names)
		}
	}
}
