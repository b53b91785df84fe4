// Boxing-storm: a hot loop turns structs into interface values.
package main

import (
	_ "embed"

	"oomph.example/lab/boxing-storm/meter"
	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

//go:embed meter/meter.go
var source string

func main() {
	service.Main(service.Spec{Name: "boxing-storm", Rate: 200, Workers: 8, Setup: setup})
}

func setup(env *service.Env) {
	env.Work(func() any {
		var sum meter.Sum
		meter.Feed(&sum, 4000)
		return sum.Total
	})
	env.Counts = func() truth.Counts {
		return truth.Counts{AllocatedBytes: meter.Boxed.Load() * truth.SizeOf[meter.Sample](), Phase: truth.Steady}
	}
	env.Sites = []truth.Site{truth.Locate("allocates", meter.Feed, source, "// culprit")}
}
