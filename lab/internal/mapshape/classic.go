//go:build !go1.24 || (!go1.26 && !goexperiment.swissmap)

package mapshape

import (
	"unsafe"

	"oomph.example/lab/internal/sizeclass"
)

// hmap is runtime.hmap (runtime/map.go, Go 1.21 to 1.23).
type hmap struct {
	count      int
	flags      uint8
	b          uint8
	noverflow  uint16
	hash0      uint32
	buckets    unsafe.Pointer
	oldbuckets unsafe.Pointer
	nevacuate  uintptr
	extra      *mapextra
}

type mapextra struct {
	overflow     *[]unsafe.Pointer
	oldoverflow  *[]unsafe.Pointer
	nextOverflow unsafe.Pointer
}

const sameSizeGrow = 8

func seed(m unsafe.Pointer) uintptr { return uintptr((*hmap)(m).hash0) }

func read(t *mapType, m unsafe.Pointer) Shape {
	s := Shape{Design: "classic"}
	h := (*hmap)(m)
	if h == nil {
		return s
	}
	s.Bytes = sizeclass.Of[hmap]()
	s.B = h.b
	if h.buckets != nil {
		s.Slots = 8 << h.b
		s.addArray(t.bucket, h.buckets, h.b)
	}
	if h.oldbuckets != nil {
		b := h.b - 1
		if h.flags&sameSizeGrow != 0 {
			b = h.b
		}
		s.Growing = true
		s.OldBuckets = 1 << b
		s.addArray(t.bucket, h.oldbuckets, b)
	}
	if h.extra != nil {
		s.Bytes += sizeclass.Of[mapextra]() + listBytes(h.extra.overflow) + listBytes(h.extra.oldoverflow)
	}
	return s
}

// addArray adds an array of 1<<b buckets and the overflow buckets that hang on it. With b >= 4 the
// array has further buckets at its end, preallocated for overflow (makeBucketArray).
func (s *Shape) addArray(bucket *typeHead, array unsafe.Pointer, b uint8) {
	n := uint64(1) << b
	all := n
	if b >= 4 {
		all += n >> 4
	}
	bytes := bucket.array(all)
	s.Bytes += bytes
	end := uintptr(array) + uintptr(bytes)
	for i := uint64(0); i < n; i++ {
		at := unsafe.Add(array, uintptr(i)*bucket.size)
		for {
			at = *(*unsafe.Pointer)(unsafe.Add(at, bucket.size-8))
			if at == nil {
				break
			}
			s.Overflow++
			if uintptr(at) < uintptr(array) || uintptr(at) >= end {
				s.Bytes += bucket.array(1)
			}
		}
	}
}

func listBytes(list *[]unsafe.Pointer) uint64 {
	if list == nil {
		return 0
	}
	return sizeclass.Of[[]unsafe.Pointer]() + sizeclass.Array[unsafe.Pointer](cap(*list))
}
