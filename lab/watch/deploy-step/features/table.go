// Package features is tables that a service loads when it is configured.
package features

import (
	"sync/atomic"

	"oomph.example/lab/internal/growth"
)

// Row is one of a table.
type Row struct {
	ID   uint64
	Data []byte
}

// Tables are those loaded so far.
type Tables struct {
	Loaded [2][]*Row
	Rows   atomic.Uint64
}

// Load loads a table of so many rows; it stays.
func (t *Tables) Load(table, rows, size int) {
	loaded := make([]*Row, rows)
	for i := range loaded {
		loaded[i] = &Row{ID: uint64(i), Data: growth.Fill(make([]byte, size), uint64(i))}
	}
	t.Loaded[table] = loaded
	t.Rows.Add(uint64(rows))
}
