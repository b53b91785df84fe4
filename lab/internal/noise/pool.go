package noise

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"
)

type job struct {
	id int
	at time.Time
}

type order struct {
	ID       int            `json:"id"`
	Customer string         `json:"customer"`
	Placed   time.Time      `json:"placed"`
	Lines    []product      `json:"lines"`
	Extra    map[string]int `json:"extra"`
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (b *Background) worker(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-b.jobs:
			b.process(j)
		}
	}
}

// process encodes an order, decodes it again and caches a rendered page under a new key; the cache
// evicts the oldest.
func (b *Background) process(j job) {
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	out := order{ID: j.id, Customer: "c" + strconv.Itoa(j.id%997), Placed: j.at, Lines: make([]product, 0, 8),
		Extra: map[string]int{"weight": j.id % 40}}
	for i := 0; i < 8; i++ {
		out.Lines = append(out.Lines, b.table["SKU-"+strconv.Itoa(100_000+(j.id*7+i)%tableEntries)])
	}
	if err := json.NewEncoder(buf).Encode(&out); err != nil {
		return
	}
	var back order
	if err := json.Unmarshal(buf.Bytes(), &back); err != nil {
		return
	}
	b.cache.put(strconv.Itoa(back.ID), renderPage(back.ID))
	b.cache.get(strconv.Itoa(back.ID - 17))
}
