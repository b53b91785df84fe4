// Idle-heap: a report of 300 MiB is made once, in a process that runs with GODEBUG=madvdontneed=0. The runtime gives the freed
// heap back by MADV_FREE only, so it stays resident until the system is short of memory.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

func main() {
	if os.Getenv("GODEBUG") == "" {
		restart()
	}
	service.Main(service.Spec{Name: "idle-heap", Setup: setup})
}

// restart runs this program again in the same process, with GODEBUG in its environment as a deployment would set it.
func restart() {
	exe, err := os.Executable()
	if err == nil {
		err = syscall.Exec(exe, os.Args, append(os.Environ(), "GODEBUG=madvdontneed=0"))
	}
	fmt.Fprintln(os.Stderr, "restarting with GODEBUG:", err)
	os.Exit(1)
}

const (
	pageBytes = 1 << 20
	pages     = 300
)

func setup(env *service.Env) {
	var done atomic.Bool
	go func() {
		makeReport()
		debug.FreeOSMemory() // the job cleans up after itself, as far as it can
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
