// Map-per-call: each request fills a map made anew.
package main

import (
	_ "embed"
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
	env.Work(func() any { return tally.Distinct(words) })
	env.Counts = func() truth.Counts {
		return truth.Counts{AllocatedBytes: tally.Calls.Load() * truth.MapBytes(3000, 16, 1), Phase: truth.Steady}
	}
	env.Sites = []truth.Site{truth.Locate("allocates", tally.Distinct, source, "// culprit")}
}
