// Healthy-streaming: takes large uploads and never holds more of one than a buffer of 32 KiB.
package main

import (
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

func main() {
	service.Main(service.Spec{Name: "healthy-streaming", Rate: 5, Workers: 6, Setup: setup})
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// writerOnly hides any ReadFrom, so that io.CopyBuffer uses the buffer that it is given.
type writerOnly struct{ io.Writer }

func setup(env *service.Env) {
	var received atomic.Uint64
	env.Mux.HandleFunc("/documents", func(w http.ResponseWriter, r *http.Request) {
		buffer := buffers.Get().(*[]byte)
		defer buffers.Put(buffer)
		digest := crc32.NewIEEE()
		n, err := io.CopyBuffer(writerOnly{digest}, r.Body, *buffer)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		received.Add(uint64(n))
		fmt.Fprintf(w, "%08x\n", digest.Sum32())
	})
	document := make([]byte, 16<<20)
	env.Request = func(ctx context.Context, n uint64) error {
		return env.Post(ctx, "/documents", document[:(4+n*5%13)<<20])
	}
	env.Counts = func() truth.Counts {
		return truth.Counts{Entries: received.Load() >> 20, Phase: truth.Steady}
	}
}
