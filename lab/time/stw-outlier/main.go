// Stw-outlier: a service that allocates and collects at a normal rate, and drops the oldest records of a journal of
// 768 MiB by moving all others, twice a second. That is one call of memmove, which the runtime cannot stop half-way: a
// collection that begins or ends meanwhile waits for it, and everything else waits with the collection.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/time/stw-outlier/journal"
)

//go:embed journal/journal.go
var source string

const (
	journalBytes = 768 << 20
	trimmed      = 96 << 10
	every        = 500 * time.Millisecond
)

func main() {
	service.Main(service.Spec{Name: "stw-outlier", Rate: 500, Workers: 8, Procs: 2, Setup: setup})
}

type line struct {
	Record int      `json:"record"`
	Value  uint64   `json:"value"`
	Labels []string `json:"labels"`
}

func setup(env *service.Env) {
	records, err := journal.New(journalBytes)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mapping the journal:", err)
		os.Exit(1)
	}
	// Two buffers go round.
	full, empty := make(chan []byte, 2), make(chan []byte, 2)
	empty <- make([]byte, trimmed*64)
	empty <- make([]byte, trimmed*64)
	go trims(env.Ctx, records, empty, full)
	go archives(env.Ctx, full, empty)
	go appends(env.Ctx, records)
	env.Mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		first, _ := strconv.Atoi(r.URL.Query().Get("first"))
		var page []line
		for i := first; i < first+120; i++ {
			page = append(page, line{Record: i, Value: uint64(i) * 31, Labels: []string{"record " + strconv.Itoa(i), "live"}})
		}
		var body bytes.Buffer
		if err := json.NewEncoder(&body).Encode(page); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(body.Bytes())
	})
	env.Request = func(ctx context.Context, n uint64) error {
		return env.Get(ctx, "/page?first="+strconv.FormatUint(n%100_000, 10))
	}
	env.Counts = func() truth.Counts {
		p50, p99, longest := records.Took.Millis()
		return truth.Counts{Entries: journalBytes / 64, OffHeapBytes: journalBytes, Phase: truth.Steady,
			Measures: map[string]float64{"trims_count": float64(records.Trims()), "move_p50_ms": p50, "move_p99_ms": p99, "move_max_ms": longest}}
	}
	env.Sites = []truth.Site{truth.Locate("calls", (*journal.Journal).Trim, source, "// culprit")}
}

func trims(ctx context.Context, records *journal.Journal, empty <-chan []byte, full chan<- []byte) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		select {
		case <-ctx.Done():
			return
		case oldest := <-empty:
			records.Trim(oldest[:cap(oldest)], full)
		}
	}
}

// archives writes dropped records as lines of text, as to a bucket.
func archives(ctx context.Context, full <-chan []byte, empty chan<- []byte) {
	for {
		select {
		case <-ctx.Done():
			return
		case records := <-full:
			for rest := records; len(rest) >= 64; rest = rest[64:] {
				_, _ = io.WriteString(io.Discard, hex.EncodeToString(rest[:64]))
			}
			empty <- records
		}
	}
}

func appends(ctx context.Context, records *journal.Journal) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for n := uint64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for i := 0; i < trimmed/50; i++ {
				n++
				records.Append(n)
			}
		}
	}
}
