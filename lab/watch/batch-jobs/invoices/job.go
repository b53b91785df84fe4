// Package invoices makes the invoices of a batch of orders: it reads all of them, works on them, and is done.
package invoices

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"oomph.example/lab/internal/growth"
)

// Order is one of a batch.
type Order struct {
	ID   uint64
	Data []byte
}

// Held is how many orders the job that runs has read.
var Held atomic.Uint64

// Run reads so many orders in about the time given, works for some seconds, and gives everything back.
func Run(ctx context.Context, orders, size int, reading, working time.Duration) {
	work(ctx, read(ctx, orders, size, reading), working)
	Held.Store(0)
	debug.FreeOSMemory()
}

func read(ctx context.Context, orders, size int, within time.Duration) []*Order {
	batch := make([]*Order, 0, orders)
	begin := time.Now()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for len(batch) < orders && ctx.Err() == nil {
		<-ticker.C
		due := int(float64(orders) * time.Since(begin).Seconds() / within.Seconds())
		for len(batch) < due && len(batch) < orders {
			id := uint64(len(batch))
			batch = append(batch, &Order{ID: id, Data: growth.Fill(make([]byte, size), id)})
		}
		Held.Store(uint64(len(batch)))
	}
	return batch
}

func work(ctx context.Context, batch []*Order, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for sum := byte(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for _, order := range batch {
				sum += order.Data[0]
			}
		}
	}
}
