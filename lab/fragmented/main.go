// Fragmented: an index was built from many small records of which one in eight is still in use, so
// that nearly every span of the heap holds one live object and seven free places.
package main

import (
	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

func main() { service.Main(service.Spec{Name: "fragmented", Setup: setup}) }

const (
	recordBytes = 1024 // eight to a span of 8 KiB
	records     = 400 << 10
)

var index [][]byte

func setup(env *service.Env) {
	all := make([][]byte, records)
	for i := range all {
		all[i] = make([]byte, recordBytes)
		all[i][0] = byte(i)
	}
	index = make([][]byte, 0, records/8)
	for i := 0; i < records; i += 8 {
		index = append(index, all[i])
	}
	env.Counts = func() truth.Counts {
		entries := uint64(len(index))
		return truth.Counts{Entries: entries, HeldBytes: entries * (recordBytes + 24), CulpritBytes: entries * recordBytes,
			StructureBytes: entries * 24, AllocatedBytes: records * recordBytes, Phase: truth.Steady}
	}
}
