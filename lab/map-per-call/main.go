// Map-per-call: each request fills a map made anew.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"strconv"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/map-per-call/tally"
)

//go:embed tally/tally.go
var source string

func main() {
	service.Main(service.Spec{Name: "map-per-call", Rate: 400, Workers: 8, Setup: setup})
}

func setup(env *service.Env) {
	words := make([]string, 3000)
	for i := range words {
		words[i] = "word-" + strconv.Itoa(i)
	}
	env.Mux.HandleFunc("/work", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, tally.Distinct(words))
	})
	env.Request = func(ctx context.Context, _ uint64) error { return env.Get(ctx, "/work") }
	env.Counts = func() truth.Counts {
		return truth.Counts{AllocatedBytes: tally.Calls.Load() * truth.MapBytes(3000, 16, 1), Phase: truth.Steady}
	}
	env.Sites = []truth.Site{truth.Locate("allocates", tally.Distinct, source, "// culprit")}
}
