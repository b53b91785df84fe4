// Map-cache: a session store keyed by a key that is unique to each request. The map gets a new
// entry with each request and never loses one.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/map-cache/session"
	"oomph.example/lab/map-cache/web"
)

//go:embed session/store.go
var storeSource string

func main() {
	service.Main(service.Spec{Name: "map-cache", Rate: 2500, Workers: 8, Setup: setup})
}

func setup(env *service.Env) {
	size := truth.SizeOf[session.Session]()
	store := session.NewStore(env.MaxBytes / size)
	env.Mux.Handle("/shop", &web.Handler{Sessions: store})
	env.Request = func(ctx context.Context, n uint64) error { return visit(ctx, env, n) }
	env.Counts = func() truth.Counts {
		entries, keyBytes := store.Stats()
		structure := truth.MapBytes(entries, 16, 8)
		keys := keyBytes
		if entries > 0 {
			keys = entries * truth.ObjectBytes(keyBytes/entries, false)
		}
		return truth.Counts{
			Entries:        entries,
			HeldBytes:      entries*size + structure + keys,
			CulpritBytes:   entries * size,
			StructureBytes: structure,
			AllocatedBytes: entries * size,
			Capped:         store.Full(),
			Phase:          truth.Steady,
		}
	}
	env.Sites = []truth.Site{
		truth.Locate("allocates", (*session.Store).Open, storeSource, "// culprit"),
		truth.Locate("inserts", (*session.Store).Open, storeSource, "// culprit: inserts"),
	}
}

func visit(ctx context.Context, env *service.Env, n uint64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, env.URL+"/shop", nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Tenant", fmt.Sprintf("shop-%02d", n%20))
	req.Header.Set("X-User", fmt.Sprintf("user-%05d", n%5000))
	req.Header.Set("X-Request-Id", fmt.Sprintf("%016x", n*0x9e3779b97f4a7c15))
	resp, err := env.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
