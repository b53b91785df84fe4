// Batch-jobs: a job each half of a minute takes half of the limit and gives it back. Healthy.
package main

import (
	"time"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/batch-jobs/invoices"
)

func main() { growth.Main("batch-jobs", 50, setup) }

func setup(run *growth.Run) {
	size := run.Size("order", 6000)
	each := int(truth.ObjectBytes(uint64(size), false) + truth.SizeOf[invoices.Order]() + 8)
	orders := int(run.Share(run.Between("job", 0.44, 0.54))) / each
	seconds := func(what string, low, high float64) time.Duration {
		return time.Duration(run.Between(what, low, high) * float64(time.Second))
	}
	every, reading, working := seconds("every", 21, 30), seconds("reading", 5, 8), seconds("working", 1, 2)
	run.SetPhase(growth.Level)
	go func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-run.Ctx.Done():
				return
			case <-ticker.C:
				invoices.Run(run.Ctx, orders, size, reading, working)
			}
		}
	}()
	run.Answer("/invoice")
	run.Counts = func() truth.Counts { return growth.Hold(invoices.Held.Load(), uint64(each), 0) }
}
