// Slice-churn: each request builds a slice by append from nothing and drops it.
package main

import (
	_ "embed"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/slice-churn/report"
)

//go:embed report/report.go
var source string

func main() {
	service.Main(service.Spec{Name: "slice-churn", Rate: 100, Workers: 8, Setup: setup})
}

func setup(env *service.Env) {
	env.Work(func() any { return len(report.Build(8000, 7)) })
	env.Counts = func() truth.Counts {
		return truth.Counts{AllocatedBytes: report.Allocated.Load(), Phase: truth.Steady}
	}
	env.Sites = []truth.Site{truth.Locate("allocates", report.Build, source, "// culprit")}
}
