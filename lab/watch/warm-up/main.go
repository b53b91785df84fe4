// Warm-up: a cache of tiles fills for some forty seconds and then holds what it holds. Healthy.
package main

import (
	"math"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/warm-up/tiles"
)

func main() { growth.Main("warm-up", 50, setup) }

func setup(run *growth.Run) {
	size := run.Size("tile", 8000)
	each := int(truth.ObjectBytes(uint64(size), false))
	all := run.Share(run.Between("cache", 0.145, 0.175))
	seconds := run.Between("seconds", 34, 46)
	cache := tiles.New(int(all) / each)
	// Once it is full, tiles still come and push others out.
	plan := func(s float64) float64 { return all/seconds*math.Min(s, seconds) + all/300*s }
	run.Serve("/tile", run.Pace(each, plan), func(id uint64) { cache.Put(id, size) })
	run.Counts = func() truth.Counts {
		n, full := cache.Len()
		if full {
			run.SetPhase(growth.Level)
		}
		return growth.Hold(n, uint64(each), truth.MapBytes(n, 8, 24))
	}
}
