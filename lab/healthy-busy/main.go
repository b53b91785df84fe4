// Healthy-busy: a busy service that does what one should: sized slices, pooled buffers, keys built
// without formatting. It allocates, but nowhere much.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

func main() {
	service.Main(service.Spec{Name: "healthy-busy", Rate: 1200, Workers: 8, Setup: setup})
}

type item struct {
	ID    int    `json:"id"`
	Title string `json:"title"`
	Cents int64  `json:"cents"`
}

var buffers = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, 8<<10)) }}

func setup(env *service.Env) {
	stock := make(map[string]item, 20_000)
	for i := 0; i < 20_000; i++ {
		stock["item-"+strconv.Itoa(i)] = item{ID: i, Title: "Item " + strconv.Itoa(i), Cents: int64(i) * 3}
	}
	env.Mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		first, _ := strconv.Atoi(r.URL.Query().Get("first"))
		page := make([]item, 0, 20)
		key := make([]byte, 0, 32)
		for i := first; i < first+20; i++ {
			key = strconv.AppendInt(append(key[:0], "item-"...), int64(i%20_000), 10)
			page = append(page, stock[string(key)])
		}
		buffer := buffers.Get().(*bytes.Buffer)
		defer buffers.Put(buffer)
		buffer.Reset()
		if err := json.NewEncoder(buffer).Encode(page); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(buffer.Bytes())
	})
	env.Request = func(ctx context.Context, n uint64) error {
		return env.Get(ctx, "/page?first="+strconv.FormatUint(n*20%20_000, 10))
	}
	env.Counts = func() truth.Counts { return truth.Counts{Entries: uint64(len(stock)), Phase: truth.Steady} }
}
