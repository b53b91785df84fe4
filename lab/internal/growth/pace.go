package growth

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"oomph.example/lab/internal/truth"
)

// mostAtOnce bounds what one request brings, so that a client that was held up does not come back with everything.
const mostAtOnce = 4000

// Pace hands out items so that by any second the plan's amount has been handed out.
type Pace struct {
	run  *Run
	each float64
	plan func(seconds float64) float64

	mu    sync.Mutex
	given float64
}

// Pace hands out items of each bytes by a plan: bytes handed out until so many seconds after the start.
func (r *Run) Pace(each int, plan func(seconds float64) float64) *Pace {
	return &Pace{run: r, each: float64(each), plan: plan}
}

// Take is how many items are due.
func (p *Pace) Take() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	due := int((p.plan(p.run.Seconds()) - p.given) / p.each)
	if due < 0 {
		return 0
	}
	if due > mostAtOnce {
		due = mostAtOnce
	}
	p.given += float64(due) * p.each
	return due
}

// Serve answers requests to path, each of which brings some items: take is called for each, then a page is
// rendered. Its own load brings what is due by the pace.
func (r *Run) Serve(path string, pace *Pace, take func(id uint64)) {
	var ids ids
	r.Mux.HandleFunc(path, func(w http.ResponseWriter, req *http.Request) {
		n, err := strconv.Atoi(req.URL.Query().Get("items"))
		if err != nil || n < 0 || n > mostAtOnce {
			http.Error(w, "items: expected a small number", http.StatusBadRequest)
			return
		}
		for i := 0; i < n; i++ {
			take(ids.next())
		}
		_, _ = w.Write(r.Render())
	})
	r.Request = func(ctx context.Context, _ uint64) error {
		return r.Get(ctx, fmt.Sprintf("%s?items=%d", path, pace.Take()))
	}
}

// Hold is the account of a container of n equal items: each takes the given bytes on the heap, structure is what
// the container itself takes.
func Hold(n, each, structure uint64) truth.Counts {
	return truth.Counts{Entries: n, HeldBytes: n*each + structure, CulpritBytes: n * each, StructureBytes: structure,
		AllocatedBytes: n * each, Phase: truth.Steady}
}

// Answer answers requests to path with a page that holds nothing, and makes that the request of its own load.
func (r *Run) Answer(path string) {
	r.Mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(r.Render()) })
	r.Request = func(ctx context.Context, _ uint64) error { return r.Get(ctx, path) }
}
