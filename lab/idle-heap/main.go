// Idle-heap: every few seconds a report of 300 MiB is made and dropped; between the reports the heap
// is idle, and the runtime gives it back more slowly than the next report comes.
package main

import (
	"runtime"
	"sync/atomic"
	"time"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

func main() { service.Main(service.Spec{Name: "idle-heap", Setup: setup}) }

const (
	pageBytes = 1 << 20
	pages     = 300
)

func setup(env *service.Env) {
	var held, allocated atomic.Uint64
	var reports atomic.Uint64
	go func() {
		ticker := time.NewTicker(8 * time.Second)
		defer ticker.Stop()
		for {
			makeReport(&held)
			held.Store(0)
			allocated.Add(pages * pageBytes)
			runtime.GC() // a batch job that cleans up after itself
			reports.Add(1)
			select {
			case <-env.Ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	env.Counts = func() truth.Counts {
		phase := truth.Steady
		if reports.Load() == 0 {
			phase = truth.Warming
		}
		return truth.Counts{HeldBytes: held.Load(), AllocatedBytes: allocated.Load(), Phase: phase}
	}
}

//go:noinline
func makeReport(held *atomic.Uint64) {
	report := make([][]byte, 0, pages)
	for i := 0; i < pages; i++ {
		page := make([]byte, pageBytes)
		for j := 0; j < len(page); j += 4096 {
			page[j] = byte(i)
		}
		report = append(report, page)
		held.Add(pageBytes)
	}
	runtime.KeepAlive(report)
}
