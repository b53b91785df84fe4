// Package journal keeps the last records, each of a fixed size, in one piece of memory outside the Go heap. The oldest
// come first; they are dropped by moving all others to the front.
package journal

import (
	"encoding/binary"
	"sync"
	"syscall"
	"time"

	"oomph.example/lab/internal/latency"
)

const recordBytes = 64

// Journal is the last records.
type Journal struct {
	// Took: how long moving took the last times.
	Took latency.Recent

	mu    sync.Mutex
	data  []byte
	used  int
	trims uint64
}

// New maps room for so many bytes and fills it with records.
func New(bytes int) (*Journal, error) {
	data, err := syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	j := &Journal{data: data}
	for n := uint64(0); j.used < len(j.data); n++ {
		j.Append(n)
	}
	return j, nil
}

// Append writes a record, unless there is no room.
func (j *Journal) Append(value uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.used+recordBytes <= len(j.data) {
		binary.LittleEndian.PutUint64(j.data[j.used:], value)
		j.used += recordBytes
	}
}

// Trim drops the oldest records, as many as oldest has room for, and hands them to archive.
func (j *Journal) Trim(oldest []byte, archive chan<- []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	dropped := copy(oldest[:len(oldest)/recordBytes*recordBytes], j.data[:j.used])
	archive <- oldest[:dropped]
	begin := time.Now()
	copy(j.data, j.data[dropped:j.used]) // culprit
	j.Took.Since(begin)
	j.used -= dropped
	j.trims++
}

// Trims is how often records were dropped.
func (j *Journal) Trims() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.trims
}
