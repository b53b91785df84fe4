// Healthy-warm-cache: a tile cache that fills within a few seconds and then holds what it holds,
// with a steady stream of new tiles that push old ones out.
package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"oomph.example/lab/healthy-warm-cache/lru"
	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

const (
	tileBytes = 24 << 10
	tiles     = 4000
)

func main() {
	service.Main(service.Spec{Name: "healthy-warm-cache", Rate: 800, Workers: 8, Setup: setup})
}

func setup(env *service.Env) {
	cache := lru.New(tiles)
	env.Mux.HandleFunc("/tile", func(w http.ResponseWriter, r *http.Request) {
		key := r.URL.Query().Get("at")
		tile, ok := cache.Get(key)
		if !ok {
			tile = render(key)
			cache.Put(tile)
		}
		_, _ = w.Write(tile.Pixels[:512])
	})
	go warm(env.Ctx, cache)
	env.Request = func(ctx context.Context, n uint64) error {
		// Half of the requests are for popular tiles, the others for places not seen before.
		if n%2 == 0 {
			return env.Get(ctx, fmt.Sprintf("/tile?at=%d", n%1000))
		}
		return env.Get(ctx, fmt.Sprintf("/tile?at=n%d", n))
	}
	env.Counts = func() truth.Counts {
		entries, added := cache.Stats()
		phase := truth.Steady
		if entries < tiles {
			phase = truth.Warming
		}
		each := truth.ObjectBytes(tileBytes, false)
		return truth.Counts{
			Entries:        entries,
			HeldBytes:      entries*(each+truth.SizeOf[lru.Tile]()+48) + truth.MapBytes(entries, 16, 8),
			CulpritBytes:   entries * each,
			StructureBytes: truth.MapBytes(entries, 16, 8),
			AllocatedBytes: added * each,
			Phase:          phase,
		}
	}
}

func render(key string) *lru.Tile {
	tile := &lru.Tile{Key: key, Pixels: make([]byte, tileBytes)}
	for i := 0; i < len(tile.Pixels); i += 64 {
		tile.Pixels[i] = byte(i) ^ byte(len(key))
	}
	return tile
}

// warm fills the cache in about three seconds, as a service does from yesterday's list.
func warm(ctx context.Context, cache *lru.Cache) {
	ticker := time.NewTicker(15 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; i < tiles; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for j := 0; j < 20 && i < tiles; j++ {
				cache.Put(render(fmt.Sprintf("w%d", i)))
				i++
			}
		}
	}
}
