// Bursts-decay: visitors come in bursts and are forgotten some seconds later. Healthy.
package main

import (
	"math"
	"time"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/internal/visitors"
)

func main() { growth.Main("bursts-decay", 50, setup) }

func setup(run *growth.Run) {
	cart := run.Size("cart", 3000)
	each := int(truth.ObjectBytes(uint64(cart), false) + truth.SizeOf[visitors.Visit]() + 8)
	keep := time.Duration(run.Between("keep", 10, 16) * float64(time.Second))
	every, lasts := run.Between("every", 26, 40), run.Between("lasts", 5, 9)
	burst, quiet := run.Share(run.Between("burst", 0.08, 0.13)), run.Share(0.001)
	store := visitors.New(keep)
	// The first burst comes after half of the time between two.
	pace := run.Pace(each, func(s float64) float64 {
		n, into := math.Modf(math.Max(0, s/every-0.5))
		begun := math.Min(into*every/lasts, 1)
		return quiet*s + burst*(n+begun)
	})
	run.SetPhase(growth.Level)
	run.Serve("/visit", pace, func(id uint64) { store.Open(id, cart) })
	run.Counts = func() truth.Counts {
		n := store.Len()
		return growth.Hold(n, uint64(each), truth.MapBytes(n, 8, 8))
	}
}
