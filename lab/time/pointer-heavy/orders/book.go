// Package orders keeps all orders of some markets in the sequence of their arrival, and by their number.
package orders

import "oomph.example/lab/internal/market"

const markets = 32

// order is one order; those before and after it are found by way of it.
type order struct {
	next  *order
	party *string
	note  *string
	cents int64
	lots  int64
}

// Book is all orders.
type Book struct {
	first [markets]*order
	byID  map[uint64]*order
}

// New makes a book of n orders that were stored in one sequence and arrived in another.
func New(n int) *Book {
	parties := make([]string, 64)
	for i := range parties {
		parties[i] = "party " + string(rune('A'+i%26))
	}
	b := &Book{byID: make(map[uint64]*order, n/4)}
	stored := make([]*order, n)
	for i := range stored {
		stored[i] = &order{party: &parties[i%64], note: &parties[i%7], cents: int64(i % 9000), lots: int64(i % 40)} // culprit
	}
	for i, at := range market.Arrivals(n) {
		o := stored[at]
		first := &b.first[i%markets]
		o.next, *first = *first, o
		if i%4 == 0 {
			b.byID[uint64(at)] = o
		}
	}
	return b
}

// Sum adds up some orders from the one with this number on.
func (b *Book) Sum(id uint64, count int) (cents int64) {
	for o := b.byID[id]; o != nil && count > 0; o, count = o.next, count-1 {
		cents += o.cents * o.lots
	}
	return cents
}
