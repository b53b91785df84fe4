// Goroutine-growth: each subscription leaves a goroutine behind that waits for ever, with a stack of 16 KiB.
package main

import (
	_ "embed"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/goroutine-growth/hub"
)

//go:embed hub/hub.go
var source string

// Stacks are powers of two: from 9 filters of about 1 KiB to 14, all take the same.
const stack = 16 << 10

func main() { growth.Main("goroutine-growth", 50, setup) }

func setup(run *growth.Run) {
	depth := int(run.Between("depth", 9, 14))
	speed := run.Share(0.52) / run.Between("seconds", 75, 110)
	subscribers := hub.New()
	pace := run.Pace(stack, func(s float64) float64 { return speed * s })
	run.Serve("/subscribe", pace, func(id uint64) { subscribers.Subscribe(id, depth) })
	run.Counts = func() truth.Counts {
		n := subscribers.Waiting()
		return truth.Counts{Entries: n, HeldBytes: n * stack, CulpritBytes: n * stack, Goroutines: n, Phase: truth.Steady}
	}
	run.Sites = []truth.Site{
		truth.Locate("blocks", hub.Filter, source, "// culprit"),
		truth.Locate("creates", (*hub.Hub).Subscribe, source, "// culprit: creates"),
	}
}
