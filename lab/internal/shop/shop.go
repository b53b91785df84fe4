// Package shop serves a catalogue of several shops that is read anew from time to time, whatever way it is kept.
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
	shops    = 16
	products = 60_000 // of each shop: just above a size at which maps double
	every    = 2 * time.Second
)

// Shop is the catalogue, as far as its users see it.
type Shop struct {
	Find    func(shop int, code [16]byte) (uint64, bool)
	Reload  func(shops [][][16]byte)
	Reloads func() uint64
	// Waited: how long lookups waited for the lock; Held: how long reloads held it.
	Waited, Held *latency.Recent
}

// Serve answers /product?code=... from the catalogue, reads it anew from time to time, and makes the lookup the
// request of the load generator.
func Serve(env *service.Env, s Shop) {
	codes := make([][][16]byte, shops)
	for shop := range codes {
		codes[shop] = make([][16]byte, products)
		for i := range codes[shop] {
			codes[shop][i] = code(uint64(i) * 7919 % products)
		}
	}
	s.Reload(codes)
	go reload(env.Ctx, s, codes)
	env.Mux.HandleFunc("/product", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.ParseUint(r.URL.Query().Get("code"), 10, 64)
		number, ok := s.Find(int(n%shops), code(n/shops))
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintln(w, number)
	})
	env.Request = func(ctx context.Context, n uint64) error {
		return env.Get(ctx, "/product?code="+strconv.FormatUint(n*104729%(shops*products), 10))
	}
	env.Counts = func() truth.Counts {
		_, _, waited := s.Waited.Millis()
		p50, _, held := s.Held.Millis()
		return truth.Counts{Entries: shops * products, Phase: truth.Steady, Measures: map[string]float64{
			"reloads_count": float64(s.Reloads()), "lookup_waited_max_ms": waited, "lock_held_p50_ms": p50, "lock_held_max_ms": held}}
	}
}

// code is the n-th product's: its number, zeros before it.
func code(n uint64) (c [16]byte) {
	for i := len(c) - 1; i >= 0; i-- {
		c[i] = byte('0' + n%10)
		n /= 10
	}
	return c
}

func reload(ctx context.Context, s Shop, codes [][][16]byte) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.Reload(codes)
		}
	}
}
