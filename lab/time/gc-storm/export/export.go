// Package export writes the rows of a table as text with a checksum.
package export

import (
	"fmt"
	"hash/crc32"
)

// Row is one row of the table.
type Row struct {
	ID    int
	Name  string
	Cents int64
}

// Table makes rows.
func Table(n int) []Row {
	rows := make([]Row, n)
	for i := range rows {
		rows[i] = Row{ID: i, Name: fmt.Sprintf("item %d", i), Cents: int64(i%9000) + 99}
	}
	return rows
}

// Write makes a line of text of each row and returns the checksum of them all, and how many bytes they were.
func Write(rows []Row) (sum uint32, bytes uint64) {
	for _, r := range rows {
		line := fmt.Sprintf("%d;%s;%d.%02d;%s\n", r.ID, r.Name, r.Cents/100, r.Cents%100, padding) // culprit
		sum = crc32.Update(sum, crc32.IEEETable, []byte(line))
		bytes += uint64(len(line))
	}
	return sum, bytes
}

// padding fills a line to the width that its readers expect.
const padding = "........................................................................................" +
	"........................................................................................"
