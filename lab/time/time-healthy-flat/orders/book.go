// Package orders keeps all orders of some markets in the sequence of their arrival, and by their number: without a pointer.
package orders

import "oomph.example/lab/internal/market"

const markets = 32

// order is one order; the one that arrived before it and its party are named by their place.
type order struct {
	cents int64
	lots  int64
	next  int32
	party int32
	note  int32
	_     [5]int32
}

// Book is all orders.
type Book struct {
	stored []order
	byID   map[uint64]int32
}

// New makes a book of n orders that were stored in one sequence and arrived in another.
func New(n int) *Book {
	b := &Book{stored: make([]order, n), byID: make(map[uint64]int32, n/4)}
	for i := range b.stored {
		b.stored[i] = order{party: int32(i % 64), note: int32(i % 7), cents: int64(i % 9000), lots: int64(i % 40)}
	}
	first := make([]int32, markets)
	for i := range first {
		first[i] = -1
	}
	for i, at := range market.Arrivals(n) {
		b.stored[at].next, first[i%markets] = first[i%markets], int32(at)
		if i%4 == 0 {
			b.byID[uint64(at)] = int32(at)
		}
	}
	return b
}

// Sum adds up some orders from the one with this number on.
func (b *Book) Sum(id uint64, count int) (cents int64) {
	at, ok := b.byID[id]
	for ; ok && at >= 0 && count > 0; count-- {
		o := &b.stored[at]
		cents += o.cents * o.lots
		at = o.next
	}
	return cents
}
