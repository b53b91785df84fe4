// Idle-heap: GOGC is ten times the default "for throughput", and a report of 300 MiB is made once. The runtime keeps the
// freed heap for the garbage that such a goal allows; RSS stays far above what lives.
package main

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

func main() { service.Main(service.Spec{Name: "idle-heap", Setup: setup}) }

const (
	pageBytes = 1 << 20
	pages     = 300
)

func setup(env *service.Env) {
	debug.SetGCPercent(1000)
	var done atomic.Bool
	go func() {
		makeReport()
		runtime.GC() // the job cleans up after itself
		done.Store(true)
	}()
	env.Counts = func() truth.Counts {
		if !done.Load() {
			return truth.Counts{Phase: truth.Warming}
		}
		return truth.Counts{AllocatedBytes: pages * pageBytes, Phase: truth.Steady}
	}
}

//go:noinline
func makeReport() {
	report := make([][]byte, 0, pages)
	for i := 0; i < pages; i++ {
		page := make([]byte, pageBytes)
		for j := 0; j < len(page); j += 4096 {
			page[j] = byte(i)
		}
		report = append(report, page)
	}
	runtime.KeepAlive(report)
}
