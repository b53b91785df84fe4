// Deploy-step: a new configuration loads one more table: memory jumps by some 30 % of the limit once. Healthy.
package main

import (
	"time"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/deploy-step/features"
)

func main() { growth.Main("deploy-step", 50, setup) }

func setup(run *growth.Run) {
	size := run.Size("row", 3000)
	each := int(truth.ObjectBytes(uint64(size), false) + truth.SizeOf[features.Row]() + 8)
	rows := func(share float64) int { return int(run.Share(share)) / each }
	var tables features.Tables
	tables.Load(0, rows(0.03), size)
	run.SetPhase(growth.Level)
	at := time.Duration(run.Between("at", 40, 60) * float64(time.Second))
	// Half of it is the table; as much again is garbage that the collector lets be, for the table's sake.
	time.AfterFunc(at, func() { tables.Load(1, rows(run.Between("table", 0.135, 0.155)), size) })
	run.Answer("/page")
	run.Counts = func() truth.Counts { return growth.Hold(tables.Rows.Load(), uint64(each), 0) }
}
