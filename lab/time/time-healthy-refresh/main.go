// Time-healthy-refresh: a catalogue of 960,000 products that is read anew every two seconds, into maps of the right size
// that take the place of the old ones when they are complete.
package main

import (
	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/shop"
	"oomph.example/lab/time/time-healthy-refresh/catalogue"
)

func main() {
	service.Main(service.Spec{Name: "time-healthy-refresh", Rate: 300, Workers: 16, Procs: 2, Setup: setup})
}

func setup(env *service.Env) {
	c := new(catalogue.Catalogue)
	shop.Serve(env, shop.Shop{Reload: c.Reload, Reloads: c.Reloads, Waited: &c.Waited, Held: &c.Held,
		Find: func(shop int, code catalogue.Code) (uint64, bool) {
			p, ok := c.Find(shop, code)
			return p.Number, ok
		}})
}
