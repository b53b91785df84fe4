// Memory-limit-spiral: GOMEMLIMIT a little below the limit of the control group, and live objects that come up to it:
// the collector runs ever more often, and at last cannot hold the line.
package main

import (
	_ "embed"

	"oomph.example/lab/internal/growth"
	"oomph.example/lab/internal/tightlimit"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/watch/memory-limit-spiral/accounts"
)

//go:embed accounts/accounts.go
var source string

func main() {
	tightlimit.RestartAt(growth.Limit() / 10 * 9)
	growth.Main("memory-limit-spiral", 50, setup)
}

func setup(run *growth.Run) {
	each := truth.SizeOf[accounts.Entry]()
	speed := run.Share(0.75) / run.Between("seconds", 85, 130)
	var ledger accounts.Ledger
	run.Serve("/book", run.Pace(int(each), func(s float64) float64 { return speed * s }), ledger.Book)
	run.Counts = func() truth.Counts { return growth.Hold(ledger.Len(), each, 0) }
	run.Sites = []truth.Site{truth.Locate("allocates", (*accounts.Ledger).Book, source, "// culprit")}
}
