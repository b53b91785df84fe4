// Queue-backlog: jobs come faster than they are done, and wait in a channel with room for a million.
package main

import (
	_ "embed"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/queue-backlog/pipeline"
)

//go:embed pipeline/queue.go
var source string

func main() { growth.Main("queue-backlog", 50, setup) }

func setup(run *growth.Run) {
	size := run.Size("job", 5000)
	each := int(truth.ObjectBytes(uint64(size), false) + truth.SizeOf[pipeline.Job]())
	growing := run.Share(0.38) / run.Between("seconds", 80, 115)
	// As many are done as the queue grows by.
	queue := pipeline.New()
	go queue.Work(run.Ctx, growing/float64(each))
	run.Serve("/job", run.Pace(each, func(s float64) float64 { return 2 * growing * s }), func(id uint64) { queue.Submit(id, size) })
	run.Counts = func() truth.Counts { return growth.Hold(queue.Len(), uint64(each), truth.ObjectBytes(8<<20, true)) }
	run.Sites = []truth.Site{
		truth.Locate("allocates", (*pipeline.Queue).Submit, source, "// culprit"),
		truth.Locate("inserts", (*pipeline.Queue).Submit, source, "// culprit: sends"),
	}
}
