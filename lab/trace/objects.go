package main

import (
	"runtime"
	"time"
)

type (
	kept    struct{ p, q, r, s, t, u *kept }
	dropped struct{ p, q, r, s, t, u, v, w *dropped }
	large   struct{ p [100]*large }
)

var (
	keeps  [700]*kept
	drops  [1300]*dropped
	larges [30]*large
)

func init() { modes["objects"] = objects }

// objects allocates 700 objects that it keeps, and 1300 small and 30 large ones that it drops.
func objects(time.Time) {
	for i := range keeps {
		keeps[i] = new(kept)
	}
	for i := range drops {
		drops[i] = new(dropped)
	}
	for i := range larges {
		larges[i] = new(large)
	}
	clear := func() {
		drops = [1300]*dropped{}
		larges = [30]*large{}
	}
	clear()
	// The first collection finds the garbage and sweeps what is left before the second begins.
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
}
