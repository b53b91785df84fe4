// Prints what package reflect says of many types, and where their descriptors are. Then waits for the
// end of its input, so that its memory can be read.
package main

import (
	"bufio"
	"container/list"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"net/netip"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"time"
	"unsafe"
)

type small struct {
	a int8
	B *small
	c string
}

type embedded struct {
	small
	*list.List
	err error
	any any
}

type iface interface {
	First(int, ...string) (bool, error)
	second()
}

type impl struct{ n int }

func (i *impl) First(int, ...string) (bool, error) { return i.n > 0, nil }
func (i *impl) second()                            {}
func (i impl) String() string                      { return "impl" }

type box[K comparable, V any] struct {
	m map[K]V
	f func(K, ...V) *box[K, V]
}

type (
	wideKey [200]byte
	flat    struct{ a, b, c uint32 }
	deep    struct {
		rows [7][3]struct {
			n int
			p *flat
		}
		tail [4]any
	}
	long struct {
		head [3]uint64
		body [40000]struct {
			n int
			p *flat
			s string
		}
		last *int
	}
	direct struct{ p *int }
	named  map[string][]time.Duration
)

var sink any

func word(v any, i int) uintptr { return (*[2]uintptr)(unsafe.Pointer(&v))[i] }

// pointers marks the words of t that hold pointers, from word at on.
func pointers(t reflect.Type, at int, mark func(int)) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.String, reflect.Slice:
		mark(at)
	case reflect.Interface:
		mark(at + 1)
	case reflect.Array:
		for i := 0; i < t.Len(); i++ {
			pointers(t.Elem(), at+i*int(t.Elem().Size())/8, mark)
		}
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			f := t.Field(i)
			pointers(f.Type, at+int(f.Offset)/8, mark)
		}
	}
}

func describe(t reflect.Type) string {
	address := func(t reflect.Type) string { return fmt.Sprintf("%x", word(t, 1)) }
	switch t.Kind() {
	case reflect.Array:
		return fmt.Sprintf("array %s %d", address(t.Elem()), t.Len())
	case reflect.Chan:
		return fmt.Sprintf("chan %s %d", address(t.Elem()), t.ChanDir())
	case reflect.Map:
		return fmt.Sprintf("map %s %s", address(t.Key()), address(t.Elem()))
	case reflect.Pointer:
		return "pointer " + address(t.Elem())
	case reflect.Slice:
		return "slice " + address(t.Elem())
	case reflect.Interface:
		return fmt.Sprintf("interface %d", t.NumMethod())
	case reflect.Func:
		var in, out []string
		for i := 0; i < t.NumIn(); i++ {
			in = append(in, address(t.In(i)))
		}
		for i := 0; i < t.NumOut(); i++ {
			out = append(out, address(t.Out(i)))
		}
		return fmt.Sprintf("func %s|%s|%v", strings.Join(in, ","), strings.Join(out, ","), t.IsVariadic())
	case reflect.Struct:
		var fields []string
		for i := 0; i < t.NumField(); i++ {
			f := t.Field(i)
			fields = append(fields, fmt.Sprintf("%s,%s,%d,%v,%v", f.Name, address(f.Type), f.Offset, f.Anonymous, f.IsExported()))
		}
		return "struct " + strings.Join(fields, ";")
	}
	return "basic"
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintln(out, "version", runtime.Version(), runtime.GOARCH)
	seen := map[reflect.Type]bool{}
	var all func(t reflect.Type, depth int)
	all = func(t reflect.Type, depth int) {
		if seen[t] || depth == 0 {
			return
		}
		seen[t] = true
		words := make([]byte, t.Size()/8)
		last := 0
		pointers(t, 0, func(i int) { words[i] = 1; last = i + 1 })
		hash := fnv.New64a()
		hash.Write(words[:last])
		// The data word of an interface is the value itself, or a pointer to it, which is never nil.
		direct := t.Kind() != reflect.Interface && word(reflect.Zero(t).Interface(), 1) == 0
		fmt.Fprintf(out, "type\t%x\t%d\t%d\t%d\t%d\t%x\t%s\t%s\t%s\t%v\t%s\n", word(t, 1), t.Kind(), t.Size(), t.Align(), last, hash.Sum64(), t, t.PkgPath(), t.Name(), direct, describe(t))
		switch t.Kind() {
		case reflect.Array, reflect.Chan, reflect.Pointer, reflect.Slice:
			all(t.Elem(), depth-1)
		case reflect.Map:
			all(t.Key(), depth-1)
			all(t.Elem(), depth-1)
		case reflect.Struct:
			for i := 0; i < t.NumField(); i++ {
				all(t.Field(i).Type, depth-1)
			}
		case reflect.Func:
			for i := 0; i < t.NumIn(); i++ {
				all(t.In(i), depth-1)
			}
		}
	}
	sink = &long{}
	values := []any{
		true, 1, int8(1), int16(1), int32(1), int64(1), uint(1), uint8(1), uint16(1), uint32(1), uint64(1), uintptr(1),
		float32(1), 1.0, complex64(1), complex(1, 1), "s", unsafe.Pointer(nil),
		small{}, &embedded{}, &impl{}, impl{}, (*iface)(nil), (*any)(nil), (*fmt.Stringer)(nil), (*error)(nil),
		box[string, *small]{}, &box[netip.Addr, []int]{}, map[wideKey]deep{}, map[int64]*small{}, map[string]struct{}{},
		map[uint8]flat{}, map[[3]string]wideKey{}, named{}, deep{}, long{}, &direct{}, direct{}, [0]*int{}, [1]*int{}, [300]string{}, [300]flat{},
		make(chan int), make(<-chan *small), make(chan<- struct{}), func(int, ...string) (bool, error) { return false, nil },
		sync.Mutex{}, &sync.Map{}, &sync.Pool{}, time.Now(), list.New(), [][]map[string]any{}, struct{}{}, &struct {
			X int `json:"x"`
			y any
		}{}, bufio.NewReader(nil), os.Stdout, binary.LittleEndian, reflect.ValueOf(1), sync.OnceFunc,
	}
	for _, v := range values {
		all(reflect.TypeOf(v), 12)
	}
	made := []reflect.Type{
		reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeOf(small{})}, {Name: "B", Type: reflect.TypeOf("")}}),
		reflect.MapOf(reflect.TypeOf(flat{}), reflect.TypeOf(&impl{})),
		reflect.SliceOf(reflect.TypeOf(flat{})),
		reflect.ArrayOf(5, reflect.TypeOf(direct{})),
		reflect.ArrayOf(30000, reflect.TypeOf(deep{})),
		reflect.PointerTo(reflect.TypeOf(box[string, *small]{})),
	}
	for _, t := range made {
		all(t, 2)
	}
	var i iface = &impl{1}
	var s fmt.Stringer = &impl{1}
	var r io.Reader = os.Stdin
	for _, p := range [][3]uintptr{
		{*(*uintptr)(unsafe.Pointer(&i)), word(reflect.TypeOf((*iface)(nil)).Elem(), 1), word(i, 0)},
		{*(*uintptr)(unsafe.Pointer(&s)), word(reflect.TypeOf((*fmt.Stringer)(nil)).Elem(), 1), word(s, 0)},
		{*(*uintptr)(unsafe.Pointer(&r)), word(reflect.TypeOf((*io.Reader)(nil)).Elem(), 1), word(r, 0)},
	} {
		fmt.Fprintf(out, "itab\t%x\t%x\t%x\n", p[0], p[1], p[2])
	}
	fmt.Fprintln(out, "end")
	out.Flush()
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(made)
	runtime.KeepAlive(values)
}
