// Map-spike: half a minute of quiet, then a map grows to the limit in less than ten seconds.
package main

import (
	_ "embed"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/map-spike/dedupe"
)

//go:embed dedupe/index.go
var source string

func main() { growth.Main("map-spike", 50, setup) }

func setup(run *growth.Run) {
	size := run.Size("answer", 3000)
	each := int(truth.ObjectBytes(uint64(size), false))
	quiet, onset := run.Share(0.0002), run.Between("onset", 26, 36)
	speed := run.Share(0.72) / run.Between("seconds", 6, 9)
	index := dedupe.New()
	run.SetPhase(growth.Calm)
	pace := run.Pace(each, func(s float64) float64 {
		if s < onset {
			return quiet * s
		}
		run.SetPhase(growth.Growing)
		return quiet*onset + speed*(s-onset)
	})
	run.Serve("/request", pace, func(id uint64) { index.Answer(id, size) })
	run.Counts = func() truth.Counts { return growth.Hold(index.Len(), uint64(each), truth.MapBytes(index.Len(), 8, 24)) }
	run.Sites = []truth.Site{
		truth.Locate("allocates", (*dedupe.Index).Answer, source, "// culprit"),
		truth.Locate("inserts", (*dedupe.Index).Answer, source, "// culprit: inserts"),
	}
}
