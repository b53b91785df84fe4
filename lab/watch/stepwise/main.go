// Stepwise: each dozen seconds a new price list is loaded, and the old ones stay.
package main

import (
	_ "embed"
	"time"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/stepwise/prices"
)

//go:embed prices/history.go
var source string

func main() { growth.Main("stepwise", 50, setup) }

func setup(run *growth.Run) {
	size := run.Size("entry", 1000)
	each := int(truth.ObjectBytes(uint64(size), false) + truth.SizeOf[prices.Entry]() + 8)
	entries := int(run.Share(run.Between("list", 0.042, 0.056))) / each
	pause := time.Duration(run.Between("pause", 10, 15) * float64(time.Second))
	history := prices.New()
	go func() {
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		for version := 1; ; version++ {
			history.Publish(version, entries, size)
			select {
			case <-run.Ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	run.Answer("/price")
	run.Counts = func() truth.Counts { return growth.Hold(history.Len(), uint64(each), 0) }
	run.Sites = []truth.Site{
		truth.Locate("allocates", (*prices.History).Publish, source, "// culprit"),
		truth.Locate("inserts", (*prices.History).Publish, source, "// culprit: inserts"),
	}
}
