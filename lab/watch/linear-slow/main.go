// Linear-slow: a map of visits by a number that is new with each visit, and two minutes or more to the limit.
package main

import (
	_ "embed"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/linear-slow/visits"
)

//go:embed visits/store.go
var source string

func main() { growth.Main("linear-slow", 50, setup) }

func setup(run *growth.Run) {
	size := run.Size("visit", 2000)
	each := int(truth.ObjectBytes(uint64(size), false) + truth.SizeOf[visits.Visit]())
	speed := run.Share(0.40) / run.Between("seconds", 140, 210)
	store := visits.New()
	run.Serve("/visit", run.Pace(each, func(s float64) float64 { return speed * s }), func(id uint64) { store.Record(id, size) })
	run.Counts = func() truth.Counts { return growth.Hold(store.Len(), uint64(each), truth.MapBytes(store.Len(), 8, 8)) }
	run.Sites = []truth.Site{
		truth.Locate("allocates", (*visits.Store).Record, source, "// culprit"),
		truth.Locate("inserts", (*visits.Store).Record, source, "// culprit: inserts"),
	}
}
