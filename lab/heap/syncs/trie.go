//go:build go1.26 || (go1.24 && goexperiment.synchashtriemap)

package main

import (
	"reflect"
	"sync"
	"unsafe"

	"oomph.example/lab/internal/sizeclass"
)

// indirect is sync.indirect (internal/sync/hashtriemap.go, Go 1.24 to 1.27).
type indirect struct {
	isEntry  bool
	dead     uint32
	mu       sync.Mutex
	parent   *indirect
	children [16]unsafe.Pointer
}

type entry struct {
	isEntry  bool
	overflow *entry
	key      any
	value    any
}

// structureOf is the bytes of the map's own objects; each is called per entry.
func structureOf(m *sync.Map, each func(key, value any)) uint64 {
	root := reflect.ValueOf(m).Elem().FieldByName("m").FieldByName("root")
	return nodeBytes(*(*unsafe.Pointer)(unsafe.Pointer(root.UnsafeAddr())), each)
}

func nodeBytes(node unsafe.Pointer, each func(key, value any)) uint64 {
	if node == nil {
		return 0
	}
	var bytes uint64
	if *(*bool)(node) {
		for e := (*entry)(node); e != nil; e = e.overflow {
			bytes += sizeclass.Of[entry]()
			each(e.key, e.value)
		}
		return bytes
	}
	bytes = sizeclass.Of[indirect]()
	for _, child := range (*indirect)(node).children {
		bytes += nodeBytes(child, each)
	}
	return bytes
}
