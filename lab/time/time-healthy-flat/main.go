// Time-healthy-flat: three million orders of 48 bytes in one array, chained by their places in it: nothing for the
// collector to follow.
package main

import (
	"oomph.example/lab/internal/market"
	"oomph.example/lab/internal/service"
	"oomph.example/lab/time/time-healthy-flat/orders"
)

func main() {
	service.Main(service.Spec{Name: "time-healthy-flat", Rate: 500, Workers: 8, Procs: 2, Setup: setup})
}

func setup(env *service.Env) { market.Serve(env, orders.New(market.Orders)) }
