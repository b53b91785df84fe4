// Map-growth-stall: a catalogue of 960,000 products that is read anew every two seconds, into maps that start empty,
// under the lock that lookups take. Each map doubles again and again; meanwhile all lookups stand still.
package main

import (
	_ "embed"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/shop"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/time/map-growth-stall/catalogue"
)

//go:embed catalogue/catalogue.go
var source string

func main() {
	service.Main(service.Spec{Name: "map-growth-stall", Rate: 300, Workers: 16, Procs: 2, Setup: setup})
}

func setup(env *service.Env) {
	c := new(catalogue.Catalogue)
	shop.Serve(env, shop.Shop{Reload: c.Reload, Reloads: c.Reloads, Waited: &c.Waited, Held: &c.Held,
		Find: func(shop int, code catalogue.Code) (uint64, bool) {
			p, ok := c.Find(shop, code)
			return p.Number, ok
		}})
	env.Sites = []truth.Site{truth.Locate("inserts", (*catalogue.Catalogue).Reload, source, "// culprit")}
}
