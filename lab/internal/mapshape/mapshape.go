// Package mapshape reads the shape of a map (buckets, tables, slots, bytes) from the runtime's own
// structures, in the layout of the Go version it is compiled with.
package mapshape

import (
	"reflect"
	"unsafe"

	"oomph.example/lab/internal/sizeclass"
)

// Shape is what a map is made of.
type Shape struct {
	// Design is "classic" (up to Go 1.23) or "swiss".
	Design string `json:"design"`
	// Slots for entries: 8 << B, or the sum of the tables' capacities.
	Slots uint64 `json:"slots"`
	// Bytes of the structure on the heap, rounded to size classes: header, buckets or tables,
	// overflow buckets, directory; not what keys and elements point to.
	Bytes uint64 `json:"bytes"`

	// Classic.
	B          uint8  `json:"b"`
	Overflow   uint64 `json:"overflow"`
	Growing    bool   `json:"growing"`
	OldBuckets uint64 `json:"old_buckets"`

	// Swiss.
	Tables     uint64 `json:"tables"`
	Directory  uint64 `json:"directory"`
	Tombstones uint64 `json:"tombstones"`
}

// eface is the layout of an empty interface.
type eface struct {
	typ  unsafe.Pointer
	data unsafe.Pointer
}

// mapType is the beginning of abi.MapType and of its predecessors: Type (48 bytes), Key, Elem,
// then the type of a bucket or group, then the hash function.
type mapType struct {
	_      [64]byte
	bucket *typeHead
	hasher func(unsafe.Pointer, uintptr) uintptr
}

// typeHead is the beginning of abi.Type.
type typeHead struct {
	size, ptrBytes uintptr
}

func (t *typeHead) array(n uint64) uint64 { return sizeclass.Bytes(uint64(t.size)*n, t.ptrBytes != 0) }

// Of reads the shape of the map in m. The map's header is counted although a map that does not
// escape has it on the stack.
func Of(m any) Shape {
	e := (*eface)(unsafe.Pointer(&m))
	return read((*mapType)(e.typ), e.data)
}

// OfValue is Of for a map reached by reflection, unexported fields included.
func OfValue(v reflect.Value) Shape {
	t := v.Type()
	typ := (*eface)(unsafe.Pointer(&t)).data
	return read((*mapType)(typ), v.UnsafePointer())
}

// Address of the map's header.
func Address(m any) uintptr { return uintptr((*eface)(unsafe.Pointer(&m)).data) }

// Hash is the hash of *key in the map in m, which changes when the map is cleared.
func Hash(m any, key unsafe.Pointer) uintptr {
	e := (*eface)(unsafe.Pointer(&m))
	return (*mapType)(e.typ).hasher(key, seed(e.data))
}
