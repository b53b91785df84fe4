// Bigint-map: a ledger written at a high rate, with a new key and a number computed by math/big for
// each transfer, and no end.
package main

import (
	"context"
	_ "embed"
	"math/big"
	"net/http"
	"strconv"
	"sync/atomic"

	"oomph.example/lab/bigint-map/ledger"
	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

//go:embed ledger/ledger.go
var source string

const perBatch = 32

func main() {
	service.Main(service.Spec{Name: "bigint-map", Rate: 500, Workers: 8, Setup: setup})
}

func setup(env *service.Env) {
	books := ledger.New(env.MaxBytes)
	var next atomic.Uint64
	env.Mux.HandleFunc("/transfers", func(w http.ResponseWriter, _ *http.Request) {
		secret := new(big.Int).Lsh(big.NewInt(1), 2000)
		step := big.NewInt(7919)
		for i := 0; i < perBatch; i++ {
			id := "transfer-" + strconv.FormatUint(1_000_000_000+next.Add(1), 10)
			books.Commit(id, secret.Add(secret, step))
		}
		w.WriteHeader(http.StatusNoContent)
	})
	env.Request = func(ctx context.Context, _ uint64) error { return env.Post(ctx, "/transfers", nil) }
	env.Counts = func() truth.Counts {
		entries, values, keys := books.Stats()
		structure := truth.MapBytes(entries, 16, 8)
		return truth.Counts{Entries: entries, HeldBytes: values + keys + structure, CulpritBytes: values,
			StructureBytes: structure, AllocatedBytes: values, Capped: books.Full(), Phase: truth.Steady}
	}
	env.Sites = []truth.Site{
		truth.Locate("allocates", (*ledger.Ledger).Commit, source, "// culprit"),
		truth.Locate("inserts", (*ledger.Ledger).Commit, source, "// culprit: inserts"),
	}
}
