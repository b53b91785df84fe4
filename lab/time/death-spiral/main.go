// Death-spiral: sessions that take 150 MiB, and a memory limit just above them. Every collection frees almost nothing,
// so the next one begins at once; the runtime's limiter keeps the collector at half of the processors.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"net/http"
	"strconv"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/tightlimit"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/time/death-spiral/sessions"
)

//go:embed sessions/sessions.go
var source string

const (
	count = 40_000
	views = 50
	slack = 1 << 20
	// Sessions of one answer.
	listed = 20
)

// by says how the limit is set: by a call of runtime/debug, or by GOMEMLIMIT in the environment.
var by = flag.String("limit-by", "call", "set the memory limit by call or env")

func main() {
	service.Main(service.Spec{Name: "death-spiral", Rate: 1600, Workers: 12, Procs: 2, Setup: setup})
}

func setup(env *service.Env) {
	store := sessions.New()
	for n := uint64(0); n < count; n++ {
		store.Open(sessions.ID(n), views)
	}
	if *by == "env" {
		tightlimit.Restart(slack)
	} else {
		tightlimit.Set(slack)
	}
	env.Mux.HandleFunc("/sessions", func(w http.ResponseWriter, r *http.Request) {
		first, _ := strconv.ParseUint(r.URL.Query().Get("first"), 10, 64)
		pages := make(map[string][]string)
		for n := first; n < first+listed; n++ {
			id := sessions.ID(n % count)
			pages[id] = store.Pages(id)
		}
		_ = json.NewEncoder(w).Encode(pages)
	})
	env.Request = func(ctx context.Context, n uint64) error {
		return env.Get(ctx, "/sessions?first="+strconv.FormatUint(n*7919%count, 10))
	}
	env.Counts = func() truth.Counts {
		entries, nodes := store.Len()
		held := nodes*truth.SizeOf[sessions.View]() + entries*truth.SizeOf[sessions.Session]()
		return truth.Counts{Entries: entries, HeldBytes: held, CulpritBytes: nodes * truth.SizeOf[sessions.View](), Phase: truth.Steady}
	}
	env.Sites = []truth.Site{truth.Locate("allocates", (*sessions.Store).Open, source, "// culprit")}
}
