// Boxing-storm: a hot loop turns structs into interface values.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"

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

	env.Mux.HandleFunc("/work", func(w http.ResponseWriter, _ *http.Request) {
		var sum meter.Sum
		meter.Feed(&sum, 4000)
		fmt.Fprintln(w, sum.Total)
	})
	env.Request = func(ctx context.Context, _ uint64) error { return env.Get(ctx, "/work") }
	env.Counts = func() truth.Counts {
		return truth.Counts{AllocatedBytes: meter.Boxed.Load() * truth.SizeOf[meter.Sample](), Phase: truth.Steady}
	}
	env.Sites = []truth.Site{truth.Locate("allocates", meter.Feed, source, "// culprit")}
}
