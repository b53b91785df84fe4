// Package sizeclass tells what the Go heap gives for an allocation: size classes, malloc headers,
// the pages of large objects, the blocks of the tiny allocator.
package sizeclass

import (
	"reflect"
	"runtime"
	"sort"
	"strconv"
	"strings"
)

// classes are those of runtime/sizeclasses.go (Go 1.21 to 1.24) and
// internal/runtime/gc/sizeclasses.go (Go 1.25 to 1.27): unchanged over all of them.
var classes = [...]uint64{8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288,
	320, 352, 384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688,
	3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336,
	16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768}

const (
	maxSmallSize = 32768
	pageSize     = 8192
	tinySize     = 16
	// Since Go 1.22, objects with pointers above this size carry a header of 8 bytes
	// (runtime/mbitmap.go, heapBitsInSpan).
	minSizeForHeader = 512
	headerSize       = 8
)

// Bytes is what the heap gives for one allocation of size bytes that does not share a tiny block.
func Bytes(size uint64, hasPointers bool) uint64 {
	if size == 0 {
		return 0
	}
	small := size
	if hasPointers && size > minSizeForHeader && GoMinor() >= 22 {
		small += headerSize
	}
	if small <= maxSmallSize {
		return classes[sort.Search(len(classes), func(i int) bool { return classes[i] >= small })]
	}
	return (size + pageSize - 1) / pageSize * pageSize
}

// Tiny is what n allocations of size bytes (below 16, without pointers) take when they follow one
// another: runtime/malloc.go packs them into blocks of 16 bytes.
func Tiny(n, size uint64) uint64 {
	if size == 0 || n == 0 {
		return 0
	}
	align := uint64(1)
	switch {
	case size&7 == 0:
		align = 8
	case size&3 == 0:
		align = 4
	case size&1 == 0:
		align = 2
	}
	stride := (size + align - 1) / align * align
	perBlock := (tinySize-size)/stride + 1
	return (n + perBlock - 1) / perBlock * tinySize
}

// Str is what the heap gives for the bytes of a string of this length. Short ones share blocks, so
// that 16 is their upper bound.
func Str(length int) uint64 {
	if length < tinySize {
		return tinySize
	}
	return Bytes(uint64(length), false)
}

// Of is what the heap gives for a new(T).
func Of[T any]() uint64 { return OfType(TypeOf[T]()) }

// Array is what the heap gives for a make([]T, n).
func Array[T any](n int) uint64 {
	t := TypeOf[T]()
	return Bytes(uint64(t.Size())*uint64(n), HasPointers(t))
}

// OfType is what the heap gives for one value of t.
func OfType(t reflect.Type) uint64 { return Bytes(uint64(t.Size()), HasPointers(t)) }

// TypeOf is the type T, interfaces included.
func TypeOf[T any]() reflect.Type { return reflect.TypeOf((*T)(nil)).Elem() }

// HasPointers tells whether the collector has to look into values of t.
func HasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr, reflect.Float32,
		reflect.Float64, reflect.Complex64, reflect.Complex128:
		return false
	case reflect.Array:
		return t.Len() > 0 && HasPointers(t.Elem())
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			if HasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	default:
		return true
	}
}

// GoMinor is 26 for Go 1.26.6; a development version counts as the newest.
func GoMinor() int { return minor }

var minor = parseMinor(runtime.Version())

func parseMinor(version string) int {
	v := strings.TrimPrefix(version, "go1.")
	if v == version {
		return 1000
	}
	end := strings.IndexFunc(v, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(v)
	}
	n, err := strconv.Atoi(v[:end])
	if err != nil {
		return 1000
	}
	return n
}
