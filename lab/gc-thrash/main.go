// Gc-thrash: a live heap of 128 MiB full of pointers, and GOGC set so low that the collector runs all
// the time.
package main

import (
	"runtime/debug"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/tree"
)

func main() { service.Main(service.Spec{Name: "gc-thrash", Rate: 450, Workers: 4, Setup: setup}) }

const depth = 21

var catalogue *tree.Node

func setup(env *service.Env) {
	catalogue = tree.Build(depth)
	debug.SetGCPercent(5)
	tree.Serve(env, catalogue, depth)
}
