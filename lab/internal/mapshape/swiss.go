//go:build go1.26 || (go1.24 && goexperiment.swissmap)

package mapshape

import (
	"unsafe"

	"oomph.example/lab/internal/sizeclass"
)

// swissMap is maps.Map (internal/runtime/maps/map.go, Go 1.24 to 1.27); what follows globalDepth
// is not read.
type swissMap struct {
	used        uint64
	seed        uintptr
	dirPtr      unsafe.Pointer
	dirLen      int
	globalDepth uint8
	_           [15]byte
}

// table is maps.table (internal/runtime/maps/table.go).
type table struct {
	used, capacity, growthLeft uint16
	localDepth                 uint8
	index                      int
	groups                     unsafe.Pointer
	lengthMask                 uint64
}

const (
	slotsPerGroup = 8
	ctrlDeleted   = 0xfe
)

func seed(m unsafe.Pointer) uintptr { return (*swissMap)(m).seed }

func read(t *mapType, p unsafe.Pointer) Shape {
	s := Shape{Design: "swiss"}
	m := (*swissMap)(p)
	if m == nil {
		return s
	}
	s.Bytes = sizeclass.Of[swissMap]()
	if m.dirPtr == nil {
		return s
	}
	if m.dirLen == 0 {
		s.Slots = slotsPerGroup
		s.Bytes += t.bucket.array(1)
		return s
	}
	s.Directory = uint64(m.dirLen)
	s.Bytes += sizeclass.Array[*table](m.dirLen)
	var last *table
	// Entries of one table follow one another.
	for _, tab := range unsafe.Slice((**table)(m.dirPtr), m.dirLen) {
		if tab == last {
			continue
		}
		last = tab
		s.Tables++
		s.Slots += uint64(tab.capacity)
		groups := tab.lengthMask + 1
		s.Bytes += sizeclass.Of[table]() + t.bucket.array(groups)
		s.Tombstones += deleted(t, tab, groups)
	}
	return s
}

func deleted(t *mapType, tab *table, groups uint64) uint64 {
	var n uint64
	for g := uint64(0); g < groups; g++ {
		control := (*[slotsPerGroup]byte)(unsafe.Add(tab.groups, uintptr(g)*t.bucket.size))
		for _, c := range control {
			if c == ctrlDeleted {
				n++
			}
		}
	}
	return n
}
