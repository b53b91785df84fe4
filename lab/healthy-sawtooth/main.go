// Healthy-sawtooth: a batch job builds 150 MiB and drops it, again and again.
package main

import (
	"runtime"
	"sync/atomic"
	"time"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

func main() { service.Main(service.Spec{Name: "healthy-sawtooth", Setup: setup}) }

const (
	chunkBytes = 64 << 10
	chunks     = 2400
)

func setup(env *service.Env) {
	var held, allocated atomic.Uint64
	go func() {
		for env.Ctx.Err() == nil {
			batch(env, &held, &allocated)
			held.Store(0)
			pause(env, 1300*time.Millisecond)
		}
	}()
	env.Counts = func() truth.Counts {
		return truth.Counts{HeldBytes: held.Load(), AllocatedBytes: allocated.Load(), Phase: truth.Steady}
	}
}

// batch reads its input in some three seconds and works on all of it at the end.
//
//go:noinline
func batch(env *service.Env, held, allocated *atomic.Uint64) {
	input := make([][]byte, 0, chunks)
	for len(input) < chunks && env.Ctx.Err() == nil {
		for i := 0; i < 16; i++ {
			input = append(input, make([]byte, chunkBytes))
			held.Add(chunkBytes)
			allocated.Add(chunkBytes)
		}
		pause(env, 19*time.Millisecond)
	}
	runtime.KeepAlive(input)
}

func pause(env *service.Env, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-env.Ctx.Done():
	case <-timer.C:
	}
}
