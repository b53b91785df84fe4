// Off-heap: 400 MiB of anonymous memory mapped by the program itself, outside the Go heap.
package main

import (
	"syscall"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

func main() { service.Main(service.Spec{Name: "off-heap", Setup: setup}) }

const mapped = 400 << 20

var arena []byte

func setup(env *service.Env) {
	var err error
	arena, err = syscall.Mmap(-1, 0, mapped, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(arena); i += 4096 {
		arena[i] = 1
	}
	env.Counts = func() truth.Counts {
		return truth.Counts{OffHeapBytes: uint64(len(arena)), Phase: truth.Steady}
	}
}
