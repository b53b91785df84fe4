// Healthy-three: the shop of three-leaks with limits: carts of ended visits go, the trail keeps the
// last actions, calls have a deadline.
package main

import (
	"time"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/three-leaks/shop"
)

func main() {
	service.Main(service.Spec{Name: "healthy-three", Rate: 700, Workers: 8, Setup: setup})
}

func setup(env *service.Env) {
	shop.Setup(env, shop.Limits{Carts: 2_000, Actions: 4_000, Call: 2 * time.Second})
}
