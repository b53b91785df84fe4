// Diurnal: what visitors bring rises and falls with the hour, of a day that takes some four minutes. Healthy.
package main

import (
	"math"
	"time"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/internal/visitors"
)

func main() { growth.Main("diurnal", 50, setup) }

func setup(run *growth.Run) {
	cart := run.Size("cart", 3000)
	each := int(truth.ObjectBytes(uint64(cart), false) + truth.SizeOf[visitors.Visit]() + 8)
	const keep = 15.0
	day := run.Between("day", 220, 260)
	// The hour at which the service is started: night to morning.
	hour := run.Between("hour", -math.Pi/2, 0)
	middle, swing := run.Share(0.12), run.Share(run.Between("swing", 0.07, 0.095))
	store := visitors.New(time.Duration(keep * float64(time.Second)))
	turn := 2 * math.Pi / day
	plan := func(s float64) float64 {
		return (middle*s - swing/turn*(math.Cos(turn*s+hour)-math.Cos(hour))) / keep
	}
	run.SetPhase(growth.Level)
	run.Serve("/visit", run.Pace(each, plan), func(id uint64) { store.Open(id, cart) })
	run.Counts = func() truth.Counts {
		n := store.Len()
		return growth.Hold(n, uint64(each), truth.MapBytes(n, 8, 8))
	}
}
