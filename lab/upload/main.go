// Upload: a service that reads each uploaded document whole into memory.
package main

import (
	"context"
	_ "embed"
	"time"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/upload/intake"
)

//go:embed intake/handler.go
var source string

func main() {
	service.Main(service.Spec{Name: "upload", Rate: 5, Workers: 6, Setup: setup})
}

func setup(env *service.Env) {
	handler := &intake.Handler{Scan: 600 * time.Millisecond}
	env.Mux.Handle("/documents", handler)
	document := make([]byte, 16<<20)
	env.Request = func(ctx context.Context, n uint64) error {
		return env.Post(ctx, "/documents", document[:(4+n*5%13)<<20])
	}
	env.Counts = func() truth.Counts {
		open, received := handler.Stats()
		return truth.Counts{HeldBytes: open, CulpritBytes: open, AllocatedBytes: received, Phase: truth.Steady}
	}
	env.Sites = []truth.Site{truth.Locate("allocates", (*intake.Handler).ServeHTTP, source, "// culprit")}
}
