// Exponential: the frontier of a crawler doubles each quarter of a minute.
package main

import (
	_ "embed"
	"math"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/exponential/frontier"
)

//go:embed frontier/frontier.go
var source string

func main() { growth.Main("exponential", 50, setup) }

func setup(run *growth.Run) {
	size := run.Size("page", 3000)
	each := int(truth.ObjectBytes(uint64(size), false) + truth.SizeOf[frontier.Page]() + 8)
	first, doubles := run.Share(0.42)/32, run.Between("doubles", 15, 19)
	var pages frontier.Frontier
	plan := func(s float64) float64 { return first * math.Exp2(s/doubles) }
	run.Serve("/page", run.Pace(each, plan), func(id uint64) { pages.Found(id, size) })
	run.Counts = func() truth.Counts { return growth.Hold(pages.Len(), uint64(each), 0) }
	run.Sites = []truth.Site{truth.Locate("allocates", (*frontier.Frontier).Found, source, "// culprit")}
}
