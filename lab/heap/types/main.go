// Types: objects whose pointer maps are special: huge arrays, types without pointers, types that
// are made by reflection.
package main

import (
	"reflect"

	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/sizeclass"
)

// Cell is an element of large arrays: the runtime describes these by a GC program up to Go 1.23
// and by a mask made on demand since.
type Cell struct {
	name  string
	count uint64
	next  *Cell
	_     [5]uint64
}

// Huge is one type of 5 MiB with pointers.
type Huge struct {
	cells [60_000]Cell
	end   *Cell
}

// Sparse has its only pointer at its end.
type Sparse struct {
	body [10_000]byte
	last *Cell
}

// Front has its only pointer at its beginning.
type Front struct {
	first *Cell
	body  [10_000]byte
}

type block struct {
	header [3]*Cell
	data   [70]uint64
}

var (
	huge      *Huge
	cells     []Cell
	arrays    []*[2_000]Cell
	sparse    []*Sparse
	fronts    []*Front
	blocks    []*block
	plain     *[4 << 20]byte
	floats    *[1 << 19]float64
	zero      []*struct{}
	reflected reflect.Value
	madeMap   reflect.Value
	madeOf    any
	inData    [5_000]*Cell
	boundary  []any
)

func main() { heapspec.Main("types", build) }

func build(p *heapspec.Program) {
	large(p)
	shapes(p)
	reflection(p)
	sizes(p)
}

func large(p *heapspec.Program) {
	p.Add("main.huge", "object", func() {
		huge = new(Huge)
		for i := range huge.cells {
			if i%100 == 0 {
				huge.cells[i].next = new(Cell)
			}
		}
		huge.end = new(Cell)
	}, func(c *heapspec.Container) {
		c.Is(huge)
		c.Global(&huge)
		c.Entries = 601
		c.StructBytes = sizeclass.Of[Huge]()
		c.Retained = c.StructBytes + 601*sizeclass.Of[Cell]()
	})
	p.Add("main.cells", "slice", func() {
		cells = make([]Cell, 30_000)
		for i := range cells {
			if i%10 == 3 {
				cells[i].next = new(Cell)
			}
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(cells, cap(cells))
		c.Global(&cells)
		c.Retained += 3_000 * sizeclass.Of[Cell]()
	})
	p.Add("main.plain", "object", func() { plain = new([4 << 20]byte) }, func(c *heapspec.Container) {
		c.Is(plain)
		c.Global(&plain)
		c.Entries = 1
		c.StructBytes = 4 << 20
		c.Retained = c.StructBytes
	})
	p.Add("main.floats", "object", func() { floats = new([1 << 19]float64) }, func(c *heapspec.Container) {
		c.Is(floats)
		c.Global(&floats)
		c.Entries = 1
		c.StructBytes = 4 << 20
		c.Retained = c.StructBytes
	})
}

func many[T any](p *heapspec.Program, name string, list *[]*T, n int, link func(*T)) {
	p.Add(name, "slice", func() {
		for i := 0; i < n; i++ {
			v := new(T)
			link(v)
			*list = append(*list, v)
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(*list, cap(*list))
		c.Global(list)
		c.ValueBytes = c.Entries * uint64(sizeclass.TypeOf[T]().Size())
		c.Retained += c.Entries * (sizeclass.Of[T]() + sizeclass.Of[Cell]())
	})
}

func shapes(p *heapspec.Program) {
	many(p, "main.arrays", &arrays, 20, func(a *[2_000]Cell) { a[1_999].next = new(Cell) })
	many(p, "main.sparse", &sparse, 300, func(s *Sparse) { s.last = new(Cell) })
	many(p, "main.fronts", &fronts, 300, func(s *Front) { s.first = new(Cell) })
	many(p, "main.blocks", &blocks, 3_000, func(b *block) { b.header[2] = new(Cell) })
	p.Add("main.inData", "object", func() {
		for i := range inData {
			inData[i] = new(Cell)
		}
	}, func(c *heapspec.Container) {
		c.Is(&inData)
		c.Global(&inData)
		c.Entries = 5_000
		c.Retained = c.Entries * sizeclass.Of[Cell]()
	})
	p.Add("main.zero", "slice", func() {
		zero = make([]*struct{}, 1_000)
		for i := range zero {
			zero[i] = new(struct{})
		}
	}, func(c *heapspec.Container) { c.SliceOf(zero, cap(zero)); c.Global(&zero) })
}

func reflection(p *heapspec.Program) {
	fields := []reflect.StructField{
		{Name: "Key", Type: reflect.TypeOf("")},
		{Name: "Cell", Type: reflect.TypeOf((*Cell)(nil))},
		{Name: "Rest", Type: reflect.ArrayOf(90, reflect.TypeOf(uint64(0)))},
	}
	made := reflect.StructOf(fields)
	sliceType, mapType := reflect.SliceOf(reflect.PointerTo(made)), reflect.MapOf(reflect.TypeOf(uint64(0)), made)
	arrayType := reflect.ArrayOf(700, reflect.PointerTo(made))
	reflect.New(arrayType)
	reflect.MakeMap(mapType) // what reflection keeps of types is not the container's
	p.Add("main.reflected", "reflect", func() {
		reflected = reflect.MakeSlice(sliceType, 1_000, 1_000)
		for i := 0; i < 1_000; i++ {
			v := reflect.New(made)
			v.Elem().Field(1).Set(reflect.ValueOf(new(Cell)))
			reflected.Index(i).Set(v)
		}
	}, func(c *heapspec.Container) {
		c.Type = sliceType.String()
		c.Address = uint64(reflected.Pointer())
		c.Global(&reflected)
		c.Entries, c.Capacity, c.ElemSize = 1_000, 1_000, 8
		c.StructBytes = sizeclass.Array[*Cell](1_000)
		// A reflect.Value of a slice refers to a slice header on the heap.
		c.Retained = c.StructBytes + 1_000*(sizeclass.OfType(made)+sizeclass.Of[Cell]())
	}, heapspec.Beside(sizeclass.Of[[]byte]))
	p.Add("main.madeMap", "map", func() {
		madeMap = reflect.MakeMap(mapType)
		for i := 0; i < 200; i++ {
			madeMap.SetMapIndex(reflect.ValueOf(uint64(i)), reflect.New(made).Elem())
		}
	}, func(c *heapspec.Container) {
		c.MapOf(madeMap.Interface())
		c.Global(&madeMap)
		c.ValueBytes = c.Entries * uint64(made.Size())
		c.Retained += c.Entries * sizeclass.OfType(made) // larger than 128 bytes: not in the buckets
	})
	p.Add("main.madeOf", "reflect", func() { madeOf = reflect.New(arrayType).Interface() }, func(c *heapspec.Container) {
		c.Is(madeOf)
		c.Global(&madeOf)
		c.Entries = 1
		c.StructBytes = sizeclass.OfType(arrayType)
		c.Retained = c.StructBytes
	})
}

// sizes are objects on either side of the limits: 512 (header), 32 KiB (large), with pointers and
// without.
func sizes(p *heapspec.Program) {
	makers := []func() any{
		func() any { return new([63]*Cell) }, func() any { return new([64]*Cell) }, func() any { return new([65]*Cell) },
		func() any { return new([504]byte) }, func() any { return new([512]byte) }, func() any { return new([513]byte) },
		func() any { return new([4094]*Cell) }, func() any { return new([4095]*Cell) },
		func() any { return new([4096]*Cell) }, func() any { return new([4097]*Cell) },
		func() any { return new([32760]byte) }, func() any { return new([32768]byte) }, func() any { return new([32769]byte) },
		func() any { return new([127]*Cell) }, func() any { return new([128]*Cell) },
	}
	p.Add("main.boundary", "slice", func() {
		for i := 0; i < 20; i++ {
			for _, f := range makers {
				boundary = append(boundary, f())
			}
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(boundary, cap(boundary))
		c.Global(&boundary)
		for _, v := range boundary {
			t := reflect.TypeOf(v).Elem()
			c.ValueBytes += uint64(t.Size())
			c.Retained += sizeclass.OfType(t)
		}
	})
}
