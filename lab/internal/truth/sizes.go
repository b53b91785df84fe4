package truth

import (
	"math/bits"

	"oomph.example/lab/internal/sizeclass"
)

// ObjectBytes is what the heap gives for an allocation of size bytes.
func ObjectBytes(size uint64, hasPointers bool) uint64 { return sizeclass.Bytes(size, hasPointers) }

// SizeOf is what the heap gives for a new(T).
func SizeOf[T any]() uint64 { return sizeclass.Of[T]() }

// MapBytes is about what the tables of a map with n entries take, from the growth rules of the
// implementation in use (Swiss tables since Go 1.24); keys are spread evenly. It grew, never shrank.
func MapBytes(n, keySize, elemSize uint64) uint64 {
	if n == 0 {
		return 0
	}
	if sizeclass.GoMinor() < 24 {
		// runtime/map.go: 8 entries a bucket, doubled above 6.5 a bucket on average.
		bucket := 8 + 8*(keySize+elemSize) + 8
		buckets := uint64(1)
		for n*2 > buckets*13 {
			buckets *= 2
		}
		return ObjectBytes(buckets*bucket, true)
	}
	// internal/runtime/maps: groups of 8, tables of up to 1024 slots that split above 7/8.
	group := 8 + 8*(keySize+elemSize)
	if n <= 8 {
		return ObjectBytes(group, true)
	}
	if n <= 896 {
		slots := uint64(1) << bits.Len64((n*8+6)/7-1)
		return ObjectBytes(slots/8*group, true)
	}
	tables := uint64(1)
	for n > tables*896 {
		tables *= 2
	}
	return tables * ObjectBytes(128*group, true)
}
