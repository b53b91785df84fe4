// Package grid finds the cells of a map sheet by a formatted key.
package grid

import (
	"fmt"
	"sync/atomic"
)

// Grid is cells by "sheet:row:column".
type Grid struct{ cells map[string]int }

// Lookups counts keys formatted.
var Lookups atomic.Uint64

// New makes a grid of n by n cells.
func New(n int) *Grid {
	g := &Grid{cells: make(map[string]int, n*n)}
	for row := 0; row < n; row++ {
		for column := 0; column < n; column++ {
			g.cells[fmt.Sprintf("sheet-with-a-name:%d:%d", row, column)] = row ^ column
		}
	}
	return g
}

// Sum adds up n cells of a row; each look-up formats a key and drops it.
func (g *Grid) Sum(row, n int) int {
	sum := 0
	for column := 0; column < n; column++ {
		key := fmt.Sprintf("sheet-with-a-name:%d:%d", row, column) // culprit
		sum += g.cells[key]
	}
	Lookups.Add(uint64(n))
	return sum
}
