// Sprintf-keys: each look-up in a hot loop formats its key with fmt.Sprintf.
package main

import (
	_ "embed"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/sprintf-keys/grid"
)

//go:embed grid/grid.go
var source string

func main() {
	service.Main(service.Spec{Name: "sprintf-keys", Rate: 900, Workers: 8, Setup: setup})
}

func setup(env *service.Env) {
	cells := grid.New(300)
	env.Work(func() any {
		sum := 0
		for row := 0; row < 10; row++ {
			sum += cells.Sum(row, 300)
		}
		return sum
	})
	env.Counts = func() truth.Counts {
		return truth.Counts{AllocatedBytes: grid.Lookups.Load() * 32, Phase: truth.Steady}
	}
	env.Sites = []truth.Site{truth.Locate("allocates", (*grid.Grid).Sum, source, "// culprit")}
}
