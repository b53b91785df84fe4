// Goroutine-leak: a handler asks a slow upstream in a goroutine and stops waiting after a timeout;
// the goroutine then waits for ever to send its answer, and holds the page that it fetched.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"oomph.example/lab/goroutine-leak/quotes"
	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

//go:embed quotes/client.go
var clientSource string

func main() {
	service.Main(service.Spec{Name: "goroutine-leak", Rate: 900, Workers: 32, Setup: setup})
}

// Two of three questions meet a slow upstream.
func latency(n uint64) time.Duration {
	if n%3 == 0 {
		return 2 * time.Millisecond
	}
	return 60 * time.Millisecond
}

func setup(env *service.Env) {
	page := truth.ObjectBytes(16<<10, false)
	const stack = 2 << 10
	client := &quotes.Client{Timeout: 15 * time.Millisecond, Latency: latency}
	handler := &quotes.Handler{Client: client}
	env.Mux.Handle("/quote", handler)
	limit := env.MaxBytes / (page + stack)
	env.Request = func(ctx context.Context, n uint64) error {
		if abandoned, _ := client.Stats(); abandoned >= limit {
			handler.Closed.Store(true)
		}
		return env.Get(ctx, fmt.Sprintf("/quote?symbol=S%03d", n%500))
	}
	env.Counts = func() truth.Counts {
		abandoned, asked := client.Stats()
		return truth.Counts{
			Entries:        abandoned,
			HeldBytes:      abandoned * page,
			CulpritBytes:   abandoned * page,
			AllocatedBytes: asked * page,
			Goroutines:     abandoned,
			Capped:         handler.Closed.Load(),
			Phase:          truth.Steady,
		}
	}
	env.Sites = []truth.Site{
		truth.Locate("blocks", quotes.Fetch, clientSource, "// culprit"),
		truth.Locate("creates", (*quotes.Client).Ask, clientSource, "// culprit: creates"),
		truth.Locate("allocates", quotes.Fetch, clientSource, "// culprit: allocates"),
	}
}
