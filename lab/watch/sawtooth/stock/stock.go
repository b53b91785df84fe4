// Package stock is a table of products, loaded once, from which reports are made.
package stock

import "oomph.example/lab/internal/growth"

// Product is one of the table.
type Product struct {
	ID   uint64
	Data []byte
}

// Load makes a table of so many products.
func Load(products, size int) []*Product {
	table := make([]*Product, products)
	for i := range table {
		table[i] = &Product{ID: uint64(i), Data: growth.Fill(make([]byte, size), uint64(i))}
	}
	return table
}

// Report copies every step-th product from first on: garbage as soon as it is sent.
func Report(table []*Product, first, count int) (sum int) {
	for i := 0; i < count; i++ {
		page := append([]byte(nil), table[(first+i*7)%len(table)].Data...)
		sum += int(page[len(page)-1])
	}
	return sum
}
