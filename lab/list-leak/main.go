// List-leak: an editor's undo history in a container/list that is never trimmed.
package main

import (
	"container/list"
	"context"
	_ "embed"
	"net/http"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/list-leak/editor"
)

//go:embed editor/history.go
var source string

const perRequest = 4

func main() {
	service.Main(service.Spec{Name: "list-leak", Rate: 500, Workers: 8, Setup: setup})
}

func setup(env *service.Env) {
	each := truth.SizeOf[editor.Edit]() + truth.SizeOf[list.Element]()
	document := editor.NewDocument(env.MaxBytes / each)
	env.Mux.HandleFunc("/edit", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < perRequest; i++ {
			document.Apply("author", len(r.RemoteAddr)+i, byte('a'+i))
		}
		w.WriteHeader(http.StatusNoContent)
	})
	env.Request = func(ctx context.Context, _ uint64) error { return env.Post(ctx, "/edit", nil) }
	env.Counts = func() truth.Counts {
		edits := document.Edits()
		return truth.Counts{Entries: edits, HeldBytes: edits * each, CulpritBytes: edits * each,
			StructureBytes: edits * truth.SizeOf[list.Element](), AllocatedBytes: edits * each,
			Capped: document.Full(), Phase: truth.Steady}
	}
	env.Sites = []truth.Site{truth.Locate("allocates", (*editor.Document).Apply, source, "// culprit")}
}
