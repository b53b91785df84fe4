// Time-healthy-refresh: a catalogue of 700,000 products that is read anew every 1.5 s, into a map of the right size
// that takes the old one's place when it is complete.
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
		Find: func(name string) (uint64, bool) {
			p, ok := c.Find(name)
			return p.Number, ok
		}})
}
