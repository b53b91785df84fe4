//go:build !go1.24 || (!go1.26 && !goexperiment.synchashtriemap)

package main

import (
	"reflect"
	"sync"
	"unsafe"

	"oomph.example/lab/internal/mapshape"
	"oomph.example/lab/internal/sizeclass"
)

// entry is sync.entry: a pointer to the interface with the value, nil or "expunged" without one.
type entry struct{ p *any }

// readOnly is sync.readOnly.
type readOnly struct {
	m       map[any]*entry
	amended bool
}

// structureOf is the bytes of the map's own objects; each is called per key that is still there.
func structureOf(m *sync.Map, each func(key, value any)) uint64 {
	v := reflect.ValueOf(m).Elem()
	read := *(**readOnly)(unsafe.Pointer(v.FieldByName("read").UnsafeAddr()))
	dirty := *(*map[any]*entry)(unsafe.Pointer(v.FieldByName("dirty").UnsafeAddr()))
	var bytes uint64
	seen := map[*entry]bool{}
	count := func(entries map[any]*entry) {
		if entries == nil {
			return
		}
		bytes += mapshape.Of(entries).Bytes
		for key, e := range entries {
			if seen[e] {
				continue
			}
			seen[e] = true
			// Entries are pointers to pointers: 8 bytes each.
			bytes += sizeclass.Of[entry]()
			var value any
			// All expunged entries share one empty interface.
			if e.p != nil && *e.p != nil {
				bytes += sizeclass.Of[any]()
				value = *e.p
			}
			each(key, value)
		}
	}
	if read != nil {
		bytes += sizeclass.Of[readOnly]()
		count(read.m)
	}
	count(dirty)
	return bytes
}
