// Time-healthy-busy: a server that uses more than half of two processors and allocates some tens of MiB/s, with locks,
// channels, timers, goroutines that sleep, system calls and files: all at rates that hurt nobody.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/time/time-healthy-busy/stock"
)

const (
	items    = 20_000
	sleepers = 200
	perPage  = 650
)

func main() {
	service.Main(service.Spec{Name: "time-healthy-busy", Rate: 3200, Workers: 12, Procs: 2, Setup: setup})
}

var buffers = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, 128<<10)) }}

func setup(env *service.Env) {
	s := stock.New(items)
	for i := 0; i < 2; i++ {
		go s.Apply(env.Ctx)
	}
	go s.Reprice(env.Ctx)
	for i := 0; i < sleepers; i++ {
		go session(env.Ctx, time.Duration(500+i*7)*time.Millisecond)
	}
	env.Mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) { page(s, w, r) })
	env.Mux.HandleFunc("/sale", func(w http.ResponseWriter, r *http.Request) {
		if id, _ := strconv.Atoi(r.URL.Query().Get("id")); !s.Sell(id) {
			http.Error(w, "too many sales", http.StatusTooManyRequests)
		}
	})
	env.Mux.HandleFunc("/file", file)
	env.Request = func(ctx context.Context, n uint64) error {
		switch {
		case n%10 < 6:
			return env.Get(ctx, "/page?first="+strconv.FormatUint(n*40%items, 10))
		case n%10 < 9:
			return env.Get(ctx, "/sale?id="+strconv.FormatUint(n%items, 10))
		default:
			return env.Get(ctx, "/file")
		}
	}
	env.Counts = func() truth.Counts {
		p50, p99, longest := s.Waited.Millis()
		return truth.Counts{Entries: items, Goroutines: sleepers, Phase: truth.Steady, Measures: map[string]float64{
			"sales_count": float64(s.Applied()), "lock_waited_p50_ms": p50, "lock_waited_p99_ms": p99, "lock_waited_max_ms": longest}}
	}
}

// page answers with items sorted by price.
func page(s *stock.Stock, w http.ResponseWriter, r *http.Request) {
	first, _ := strconv.Atoi(r.URL.Query().Get("first"))
	list := s.Page(make([]stock.Item, 0, perPage), first, perPage)
	sort.Slice(list, func(i, j int) bool { return list[i].Cents < list[j].Cents })
	w.Header().Set("X-Alike", strconv.Itoa(alike(list)))
	buffer := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buffer)
	buffer.Reset()
	if err := json.NewEncoder(buffer).Encode(list); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(buffer.Bytes())
}

// alike counts pairs of items of about the same price.
func alike(list []stock.Item) (pairs int) {
	for i := range list {
		for j := range list[:i] {
			if d := list[i].Cents - list[j].Cents; d > -5 && d < 5 {
				pairs++
			}
		}
	}
	return pairs
}

// file answers with the checksum of a file's beginning.
func file(w http.ResponseWriter, _ *http.Request) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	sum := crc32.NewIEEE()
	_, _ = io.CopyN(sum, f, 128<<10)
	_, _ = io.WriteString(w, strconv.FormatUint(uint64(sum.Sum32()), 16))
}

// session looks after something now and then, as one for an idle client does.
func session(ctx context.Context, every time.Duration) {
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(every)
		}
	}
}
