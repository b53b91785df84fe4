package growth

import (
	"hash/crc32"
	"strconv"
	"sync/atomic"
)

// ids numbers items; numbers that follow one another look nothing alike.
type ids struct{ last atomic.Uint64 }

func (i *ids) next() uint64 { return i.last.Add(1) * 0x9e3779b97f4a7c15 }

// Fill writes to every byte of b, so that its pages are there, and returns b.
func Fill(b []byte, with uint64) []byte {
	for i := range b {
		b[i] = byte(with >> (8 * (uint(i) & 7)))
	}
	return b
}

// Render makes an answer from parts that are garbage right away.
func (r *Run) Render() []byte {
	var sum uint32
	for made, i := 0, 0; made < r.garbage; i++ {
		part := row(i, 512+(i*977)%7000)
		sum = crc32.Update(sum, crc32.IEEETable, part)
		made += len(part)
	}
	return strconv.AppendUint(nil, uint64(sum), 16)
}

// row makes a row of a page.
//
//go:noinline
func row(i, size int) []byte { return Fill(make([]byte, size), uint64(i)*0x0101010101010101) }
