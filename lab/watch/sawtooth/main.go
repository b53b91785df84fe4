// Sawtooth: a table that stays, and much garbage; the heap swings between one and two times the table. Healthy.
package main

import (
	"sync/atomic"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/sawtooth/stock"
)

func main() { growth.Main("sawtooth", 100, setup) }

func setup(run *growth.Run) {
	size := run.Size("product", 4000)
	each := int(truth.ObjectBytes(uint64(size), false) + truth.SizeOf[stock.Product]() + 8)
	table := stock.Load(int(run.Share(run.Between("table", 0.14, 0.18)))/each, size)
	// Bytes a second, by 100 requests.
	perRequest := int(run.Between("reports", 30, 55)*(1<<20)/100) / size
	var n atomic.Uint64
	run.SetPhase(growth.Level)
	run.Work(func() any { return stock.Report(table, int(n.Add(1)%1000)*131, perRequest) })
	run.Counts = func() truth.Counts { return growth.Hold(uint64(len(table)), uint64(each), 0) }
}
