// Package report computes monthly statements.
package report

import "sync/atomic"

// Row is one line of a statement.
type Row struct {
	Account, Cents int64
	Memo           string
	Balance        int64
}

// Allocated counts the bytes of all arrays that Build's append asked for.
var Allocated atomic.Uint64

// Build lists n rows; the slice starts empty and grows by doubling, and every array but the last
// is garbage at once.
func Build(n int, seed int64) []Row {
	var rows []Row
	var allocated uint64
	for i := 0; i < n; i++ {
		before := cap(rows)
		rows = append(rows, Row{Account: seed, Cents: int64(i), Memo: "transfer", Balance: seed + int64(i)}) // culprit
		if after := cap(rows); after != before {
			allocated += uint64(after) * 40
		}
	}
	Allocated.Add(allocated)
	return rows
}
