// Pointer-heavy: three million orders of 48 bytes, each an object of its own, in long chains. The collector has to
// follow the chains link by link: a collection takes long, and all of it goes into marking.
package main

import (
	_ "embed"

	"oomph.example/lab/internal/market"
	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/time/pointer-heavy/orders"
)

//go:embed orders/book.go
var source string

func main() {
	service.Main(service.Spec{Name: "pointer-heavy", Rate: 500, Workers: 8, Procs: 2, Setup: setup})
}

func setup(env *service.Env) {
	market.Serve(env, orders.New(market.Orders))
	env.Sites = []truth.Site{truth.Locate("allocates", orders.New, source, "// culprit")}
}
