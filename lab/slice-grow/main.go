// Slice-grow: an audit log in a package-level slice that is appended to for ever.
package main

import (
	"context"
	_ "embed"
	"net/http"
	"time"
	"unsafe"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/slice-grow/audit"
)

//go:embed audit/log.go
var source string

const rowsPerQuery = 128

func main() {
	service.Main(service.Spec{Name: "slice-grow", Rate: 500, Workers: 8, Setup: setup})
}

func setup(env *service.Env) {
	const size = uint64(unsafe.Sizeof(audit.Event{}))
	full := func() bool {
		_, capacity, _ := audit.Stats()
		return capacity*size >= env.MaxBytes
	}
	env.Mux.HandleFunc("/query", func(w http.ResponseWriter, _ *http.Request) {
		now := time.Now()
		for row := uint64(0); row < rowsPerQuery && !full(); row++ {
			audit.Record(audit.Event{At: now, User: "clerk", Table: "accounts", Action: "read", Row: row})
		}
		w.WriteHeader(http.StatusNoContent)
	})
	env.Request = func(ctx context.Context, _ uint64) error { return env.Get(ctx, "/query") }
	env.Counts = func() truth.Counts {
		length, capacity, allocated := audit.Stats()
		held := truth.ObjectBytes(capacity*size, true)
		return truth.Counts{Entries: length, HeldBytes: held, CulpritBytes: held, StructureBytes: held,
			AllocatedBytes: allocated * size, Capped: capacity*size >= env.MaxBytes, Phase: truth.Steady}
	}
	env.Sites = []truth.Site{truth.Locate("allocates", audit.Record, source, "// culprit")}
}
