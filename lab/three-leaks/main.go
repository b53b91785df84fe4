// Three-leaks: a shop that leaks in three places at once, each at its own rate: carts in a map, an
// audit trail in a list, goroutines that wait for acknowledgements.
package main

import (
	_ "embed"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/three-leaks/carts"
	"oomph.example/lab/three-leaks/hooks"
	"oomph.example/lab/three-leaks/shop"
	"oomph.example/lab/three-leaks/trail"
)

//go:embed carts/carts.go
var cartsSource string

//go:embed trail/trail.go
var trailSource string

//go:embed hooks/hooks.go
var hooksSource string

func main() {
	service.Main(service.Spec{Name: "three-leaks", Rate: 700, Workers: 8, Setup: setup})
}

func setup(env *service.Env) {
	shop.Setup(env, shop.Limits{})
	env.Sites = []truth.Site{
		truth.Locate("allocates", (*carts.Store).Open, cartsSource, "// culprit"),
		truth.Locate("inserts", (*carts.Store).Open, cartsSource, "// culprit: inserts"),
		truth.Locate("allocates", (*trail.Trail).Add, trailSource, "// culprit: trail"),
		truth.Locate("creates", (*hooks.Notifier).Call, hooksSource, "// culprit: creates"),
		truth.Locate("allocates", hooks.Render, hooksSource, "// culprit: payload"),
	}
}
