// Package market serves a book of orders, whatever way it is kept, with answers that are modest garbage.
package market

import (
	"context"
	"fmt"
	"math/rand"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync/atomic"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

// Orders in the book, and the bytes of one.
const (
	Orders     = 3_000_000
	OrderBytes = 48
)

// gcPercent keeps the process small, as those do who pay for memory.
const gcPercent = 30

// Arrivals is the sequence in which n stored orders arrived: not that of their storage, but near it.
func Arrivals(n int) []int {
	const near = 1 << 14
	random := rand.New(rand.NewSource(1))
	all := make([]int, 0, n)
	for from := 0; from < n; from += near {
		count := near
		if count > n-from {
			count = n - from
		}
		for _, i := range random.Perm(count) {
			all = append(all, from+i)
		}
	}
	return all
}

// Book is the orders.
type Book interface {
	Sum(id uint64, count int) int64
}

// Serve answers /orders?from=... with a page of sums, and makes that the request of the load generator.
func Serve(env *service.Env, book Book) {
	debug.SetGCPercent(gcPercent)
	var allocated atomic.Uint64
	env.Mux.HandleFunc("/orders", func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.ParseUint(r.URL.Query().Get("from"), 10, 64)
		page := make([]byte, 0, 64<<10)
		for id := from; id < from+64; id++ {
			page = append(strconv.AppendInt(page, book.Sum(id%Orders, 8), 10), '\n')
		}
		allocated.Add(uint64(cap(page)))
		fmt.Fprintf(w, "%d %s\n", len(page), page[:8])
	})
	env.Request = func(ctx context.Context, n uint64) error {
		return env.Get(ctx, "/orders?from="+strconv.FormatUint(n*104729%Orders, 10))
	}
	env.Counts = func() truth.Counts {
		held := uint64(Orders * OrderBytes)
		return truth.Counts{Entries: Orders, HeldBytes: held, CulpritBytes: held, AllocatedBytes: allocated.Load(), Phase: truth.Steady}
	}
}
