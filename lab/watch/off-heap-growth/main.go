// Off-heap-growth: a log in segments of anonymous memory that the program maps itself and never unmaps.
package main

import (
	"fmt"
	"os"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/off-heap-growth/segments"
)

func main() { growth.Main("off-heap-growth", 50, setup) }

func setup(run *growth.Run) {
	size := run.Size("record", 4000)
	speed := run.Share(0.72) / run.Between("seconds", 75, 110)
	log := &segments.Log{Segment: run.Size("segment", 1<<20) &^ 4095}
	pace := run.Pace(size, func(s float64) float64 { return speed * s })
	run.Serve("/record", pace, func(id uint64) {
		if err := log.Append(id, size); err != nil {
			fmt.Fprintln(os.Stderr, "mmap:", err)
		}
	})
	run.Counts = func() truth.Counts {
		n, written := log.Len()
		return truth.Counts{Entries: n, OffHeapBytes: written, Phase: truth.Steady}
	}
}
