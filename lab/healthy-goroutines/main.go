// Healthy-goroutines: 2,000 workers that wait for rare jobs for minutes by design, and short-lived
// goroutines that come and go with each request.
package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

func main() {
	service.Main(service.Spec{Name: "healthy-goroutines", Rate: 300, Workers: 8, Setup: setup})
}

const workers = 2000

func setup(env *service.Env) {
	inbox := make([]chan int, workers)
	var handled atomic.Uint64
	for i := range inbox {
		inbox[i] = make(chan int)
		go work(env.Ctx, inbox[i], &handled)
	}
	env.Mux.HandleFunc("/fanout", func(w http.ResponseWriter, r *http.Request) {
		var group sync.WaitGroup
		var sum atomic.Uint64
		for part := uint64(0); part < 4; part++ {
			group.Add(1)
			go func(part uint64) {
				defer group.Done()
				sum.Add(checksum(part))
			}(part)
		}
		group.Wait()
		fmt.Fprintln(w, sum.Load())
	})
	env.Request = func(ctx context.Context, n uint64) error {
		if n%100 == 0 { // only the first ten workers ever get something to do
			select {
			case inbox[n/100%10] <- int(n):
			case <-ctx.Done():
			}
		}
		return env.Get(ctx, "/fanout")
	}
	env.Counts = func() truth.Counts {
		return truth.Counts{Entries: handled.Load(), Goroutines: workers, Phase: truth.Steady}
	}
}

func work(ctx context.Context, inbox <-chan int, handled *atomic.Uint64) {
	scratch := make([]byte, 4096)
	for {
		select {
		case <-ctx.Done():
			return
		case job := <-inbox:
			scratch[job%len(scratch)]++
			handled.Add(1)
		}
	}
}

func checksum(part uint64) uint64 {
	sum := part
	for i := uint64(0); i < 20_000; i++ {
		sum = sum*31 + i
	}
	return sum
}
