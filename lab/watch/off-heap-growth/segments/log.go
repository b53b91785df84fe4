// Package segments is a log in memory that the program maps itself, outside the heap.
package segments

import (
	"sync"
	"syscall"

	"oomph.example/lab/internal/growth"
)

// Log is segments of equal size.
type Log struct {
	Segment int

	mu       sync.Mutex
	segments [][]byte
	used     int
}

// Append writes a record, to a new segment where the last is full. No segment is ever unmapped.
func (l *Log) Append(id uint64, size int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segments) == 0 || l.used+size > l.Segment {
		const mode, kind = syscall.PROT_READ | syscall.PROT_WRITE, syscall.MAP_ANON | syscall.MAP_PRIVATE
		segment, err := syscall.Mmap(-1, 0, l.Segment, mode, kind) // culprit
		if err != nil {
			return err
		}
		l.segments, l.used = append(l.segments, segment), 0
	}
	last := l.segments[len(l.segments)-1]
	growth.Fill(last[l.used:l.used+size], id)
	l.used += size
	return nil
}

// Len is how many segments there are, and the bytes of them that were written.
func (l *Log) Len() (segments, written uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := uint64(len(l.segments))
	if n == 0 {
		return 0, 0
	}
	return n, (n-1)*uint64(l.Segment) + uint64(l.used)
}
