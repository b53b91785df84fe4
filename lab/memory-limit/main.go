// Memory-limit: a live heap of 128 MiB full of pointers, and a memory limit so close above it that
// the collector runs all the time.
package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/tree"
)

func main() { service.Main(service.Spec{Name: "memory-limit", Rate: 200, Workers: 4, Setup: setup}) }

const depth = 21

var catalogue *tree.Node

// restart runs this program again in the same process, with GOMEMLIMIT in its environment as a deployment would set it.
func restart() {
	var ms runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&ms)
	// What the limit counts beside the heap, the live heap, and 12 MiB to breathe.
	limit := ms.Sys - ms.HeapSys + ms.HeapInuse + 12<<20
	exe, err := os.Executable()
	if err == nil {
		err = syscall.Exec(exe, os.Args, append(os.Environ(), fmt.Sprintf("GOMEMLIMIT=%d", limit)))
	}
	fmt.Fprintln(os.Stderr, "restarting with a memory limit:", err)
	os.Exit(1)
}

func setup(env *service.Env) {
	catalogue = tree.Build(depth)
	if os.Getenv("GOMEMLIMIT") == "" {
		restart()
	}
	tree.Serve(env, catalogue, depth)
}
