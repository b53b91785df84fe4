package truth

import (
	"math/bits"
	"reflect"
	"runtime"
	"sort"
	"strconv"
	"strings"
)

// sizeClasses are those of runtime/sizeclasses.go (Go 1.21 to 1.25) and
// internal/runtime/gc/sizeclasses.go (Go 1.26, 1.27): unchanged over all of them.
var sizeClasses = []uint64{0, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288,
	320, 352, 384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688,
	3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336,
	16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768}

const (
	maxSmallSize = 32768
	pageSize     = 8192
	// Since Go 1.22, objects with pointers above this size carry a header of 8 bytes
	// (runtime/mbitmap.go, heapBitsInSpan).
	minSizeForHeader = 512
	headerSize       = 8
)

// ObjectBytes is what the heap gives for an allocation of size bytes.
func ObjectBytes(size uint64, hasPointers bool) uint64 {
	if size == 0 {
		return 0
	}
	small := size
	if hasPointers && size > minSizeForHeader && goMinor() >= 22 {
		small += headerSize
	}
	if small <= maxSmallSize {
		i := sort.Search(len(sizeClasses), func(i int) bool { return sizeClasses[i] >= small })
		return sizeClasses[i]
	}
	return (size + pageSize - 1) / pageSize * pageSize
}

// SizeOf is what the heap gives for a new(T).
func SizeOf[T any]() uint64 {
	t := reflect.TypeOf((*T)(nil)).Elem()
	return ObjectBytes(uint64(t.Size()), hasPointers(t))
}

func hasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr, reflect.Float32,
		reflect.Float64, reflect.Complex64, reflect.Complex128:
		return false
	case reflect.Array:
		return t.Len() > 0 && hasPointers(t.Elem())
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			if hasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	default:
		return true
	}
}

// MapBytes is about what the tables of a map with n entries take, from the growth rules of the
// implementation in use (Swiss tables since Go 1.24); keys are spread evenly. It grew, never shrank.
func MapBytes(n, keySize, elemSize uint64) uint64 {
	if n == 0 {
		return 0
	}
	if goMinor() < 24 {
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

// goMinor is 26 for Go 1.26.6; a development version counts as the newest.
func goMinor() int {
	v := strings.TrimPrefix(runtime.Version(), "go1.")
	if v == runtime.Version() {
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
