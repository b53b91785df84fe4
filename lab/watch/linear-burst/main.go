// Linear-burst: a container/list that only grows, and half a minute to the limit.
package main

import (
	"container/list"
	_ "embed"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/linear-burst/outbox"
)

//go:embed outbox/outbox.go
var source string

func main() { growth.Main("linear-burst", 50, setup) }

func setup(run *growth.Run) {
	size := run.Size("message", 6000)
	each := int(truth.ObjectBytes(uint64(size), false) + truth.SizeOf[outbox.Message]() + truth.SizeOf[list.Element]())
	speed := run.Share(0.45) / run.Between("seconds", 22, 36)
	var box outbox.Outbox
	run.Serve("/message", run.Pace(each, func(s float64) float64 { return speed * s }), func(id uint64) { box.Push(id, size) })
	run.Counts = func() truth.Counts {
		n := box.Len()
		c := growth.Hold(n, uint64(each), 0)
		c.StructureBytes = n * truth.SizeOf[list.Element]()
		return c
	}
	run.Sites = []truth.Site{
		truth.Locate("allocates", (*outbox.Outbox).Push, source, "// culprit"),
		truth.Locate("inserts", (*outbox.Outbox).Push, source, "// culprit: pushes"),
	}
}
