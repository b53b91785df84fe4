// Linear-fast: a slice of events that nobody cuts, and little more than a minute to the limit.
package main

import (
	_ "embed"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/linear-fast/audit"
)

//go:embed audit/trail.go
var source string

func main() { growth.Main("linear-fast", 50, setup) }

func setup(run *growth.Run) {
	size := run.Size("event", 4000)
	each := int(truth.ObjectBytes(uint64(size), false) + truth.SizeOf[audit.Event]())
	speed := run.Share(0.42) / run.Between("seconds", 72, 90)
	var trail audit.Trail
	run.Serve("/event", run.Pace(each, func(s float64) float64 { return speed * s }), func(id uint64) { trail.Append(id, size) })
	run.Counts = func() truth.Counts {
		n, room := trail.Len()
		return growth.Hold(n, uint64(each), truth.ObjectBytes(room*8, true))
	}
	run.Sites = []truth.Site{
		truth.Locate("allocates", (*audit.Trail).Append, source, "// culprit"),
		truth.Locate("inserts", (*audit.Trail).Append, source, "// culprit: appends"),
	}
}
