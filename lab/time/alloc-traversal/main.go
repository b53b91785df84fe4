// Alloc-traversal: an index of 200,000 entries that requests walk from end to end. Its iteration boxes
// each key and each entry into an interface, so a request makes 400,000 tiny objects that are dead at once.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"sync/atomic"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/time/alloc-traversal/index"
)

//go:embed index/index.go
var indexSource string

//go:embed main.go
var source string

const entries = 200_000

func main() {
	service.Main(service.Spec{Name: "alloc-traversal", Rate: 35, Workers: 4, Procs: 2, Setup: setup})
}

// statement adds up the entries of a region, all of them for region 0.
type statement struct {
	postings  *index.Tree
	walks     atomic.Uint64
	allocated atomic.Uint64
}

func (s *statement) totals(region uint16) (n int, cents int64) {
	s.postings.Each(func(_, value any) bool { // culprit: calls
		entry := value.(index.Entry)
		if region == 0 || entry.Region == region {
			n++
			cents += entry.Cents
		}
		return true
	})
	s.walks.Add(1)
	// A key of 8 bytes and an entry of 48.
	s.allocated.Add(uint64(s.postings.Len()) * (8 + truth.SizeOf[index.Entry]()))
	return n, cents
}

func setup(env *service.Env) {
	s := &statement{postings: new(index.Tree)}
	payees := make([]string, 500)
	for i := range payees {
		payees[i] = fmt.Sprintf("Payee %d", i)
	}
	for i := uint64(0); i < entries; i++ {
		// Spread over the key space, none below 256.
		key := (i+1)*2654435761%(1<<40) + 256
		memo := payees[i%7]
		s.postings.Insert(key, index.Entry{Account: uint32(i % 977), Region: uint16(1 + i%12), Kind: uint16(i % 5),
			Cents: int64(i%9000) - 4500, Booked: int64(i), Payee: payees[i%500], Memo: &memo})
	}
	env.Mux.HandleFunc("/totals", func(w http.ResponseWriter, r *http.Request) {
		var region uint16
		_, _ = fmt.Sscan(r.URL.Query().Get("region"), &region)
		n, cents := s.totals(region)
		fmt.Fprintf(w, "%d postings, %d cents\n", n, cents)
	})
	env.Request = func(ctx context.Context, n uint64) error {
		return env.Get(ctx, fmt.Sprintf("/totals?region=%d", n%13))
	}
	env.Counts = func() truth.Counts {
		return truth.Counts{Entries: uint64(s.postings.Len()), AllocatedBytes: s.allocated.Load(), Phase: truth.Steady,
			Measures: map[string]float64{"walks_count": float64(s.walks.Load())}}
	}
	env.Sites = []truth.Site{
		truth.Locate("allocates", (*index.Tree).Each, indexSource, "// culprit"),
		truth.Locate("calls", (*statement).totals, source, "// culprit: calls"),
	}
}
