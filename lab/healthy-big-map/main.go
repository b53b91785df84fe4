// Healthy-big-map: a table of a million entries, loaded at the start and read all the time.
package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

func main() {
	service.Main(service.Spec{Name: "healthy-big-map", Rate: 800, Workers: 8, Setup: setup})
}

const entries = 1_000_000

type place struct {
	Lat, Lon float64
	Height   int64
}

func setup(env *service.Env) {
	gazetteer := make(map[string]*place)
	for i := 0; i < entries; i++ {
		gazetteer["place-"+strconv.Itoa(i)] = &place{Lat: float64(i % 90), Lon: float64(i % 180), Height: int64(i % 3000)}
	}
	env.Mux.HandleFunc("/place", func(w http.ResponseWriter, r *http.Request) {
		p, ok := gazetteer[r.URL.Query().Get("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, "%.3f %.3f %d\n", p.Lat, p.Lon, p.Height)
	})
	env.Request = func(ctx context.Context, n uint64) error {
		return env.Get(ctx, fmt.Sprintf("/place?name=place-%d", n*7919%entries))
	}
	env.Counts = func() truth.Counts {
		structure := truth.MapBytes(entries, 16, 8)
		return truth.Counts{Entries: entries, HeldBytes: entries*(truth.SizeOf[place]()+16) + structure,
			StructureBytes: structure, Phase: truth.Steady}
	}
}
