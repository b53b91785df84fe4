// Memory-limit: a live heap of 128 MiB full of pointers, and a memory limit so close above it that
// the collector runs all the time.
package main

import (
	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/tightlimit"
	"oomph.example/lab/internal/tree"
)

func main() { service.Main(service.Spec{Name: "memory-limit", Rate: 200, Workers: 4, Setup: setup}) }

const depth = 21

var catalogue *tree.Node

func setup(env *service.Env) {
	catalogue = tree.Build(depth)
	// 12 MiB to breathe.
	tightlimit.Restart(12 << 20)
	tree.Serve(env, catalogue, depth)
}
