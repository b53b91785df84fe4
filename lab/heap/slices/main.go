// Slices: wasted capacity, small slices of large arrays, arrays shared by several slices.
package main

import (
	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/sizeclass"
)

type record struct {
	id   uint64
	name string
	tags [3]uint64
}

var (
	plain      []uint64
	wasteful   []uint64
	emptied    []*record
	pinning    []byte
	tail       []uint64
	blobs      [][]byte
	windows    [][]uint32
	parts      [][]byte
	pointers   []*record
	interfaces []any
	strs       []string
	records    []record
	matrix     [][]float64
	appended   []uint64
)

func main() { heapspec.Main("slices", build) }

func build(p *heapspec.Program) {
	flat(p)
	pinned(p)
	nested(p)
	withPointers(p)
}

func flat(p *heapspec.Program) {
	p.Add("main.plain", "slice", func() { plain = make([]uint64, 50_000) }, func(c *heapspec.Container) {
		c.SliceOf(plain, cap(plain))
		c.Global(&plain)
	})
	p.Add("main.wasteful", "slice", func() { wasteful = make([]uint64, 100, 200_000) }, func(c *heapspec.Container) {
		c.SliceOf(wasteful, cap(wasteful))
		c.Global(&wasteful)
		c.Rule("capacity-waste")
	})
	p.Add("main.emptied", "slice", func() {
		emptied = make([]*record, 0, 100_000)
		for i := 0; i < 100_000; i++ {
			emptied = append(emptied, nil)
		}
		emptied = emptied[:0]
	}, func(c *heapspec.Container) {
		c.SliceOf(emptied, cap(emptied))
		c.Global(&emptied)
		c.Rule("ghost-capacity")
	})
	p.Add("main.appended", "slice", func() { appendTo(p.N(70_000)) }, func(c *heapspec.Container) {
		c.SliceOf(appended, cap(appended))
		c.Global(&appended)
	})
	p.Grow("main.appended", func() { appendTo(p.N(70_000)) })
}

func appendTo(n int) {
	for i := 0; i < n; i++ {
		appended = append(appended, uint64(i))
	}
}

func pinned(p *heapspec.Program) {
	p.Add("main.pinning", "slice", func() {
		page := make([]byte, 8<<20)
		pinning = page[:48:48]
	}, func(c *heapspec.Container) {
		c.SliceOf(pinning, 8<<20)
		c.Global(&pinning)
		c.Rule("pinned-array")
	})
	p.Add("main.tail", "slice", func() {
		all := make([]uint64, 400_000)
		tail = all[len(all)-10:]
	}, func(c *heapspec.Container) {
		c.SliceOf(tail, 400_000)
		c.Global(&tail)
		c.Rule("pinned-array")
	})
	p.Add("main.parts", "slice", func() {
		for i := 0; i < p.N(300); i++ {
			message := make([]byte, 16_000)
			parts = append(parts, message[100:132])
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(parts, cap(parts))
		c.Global(&parts)
		for _, part := range parts {
			c.ValueBytes += 16_000
			c.Retained += sizeclass.Bytes(16_000, false)
			c.Live += uint64(len(part))
		}
		c.Rule("pinned-array")
	})
}

func nested(p *heapspec.Program) {
	p.Add("main.blobs", "slice", func() {
		for i := 0; i < p.N(1_000); i++ {
			blobs = append(blobs, make([]byte, 1000+i%500))
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(blobs, cap(blobs))
		c.Global(&blobs)
		for _, b := range blobs {
			c.ValueBytes += uint64(cap(b))
			c.Retained += sizeclass.Bytes(uint64(cap(b)), false)
		}
	})
	p.Grow("main.blobs", func() {
		for i := 0; i < p.N(500); i++ {
			blobs = append(blobs, make([]byte, 2000))
		}
	})
	p.Add("main.windows", "slice", func() {
		shared := make([]uint32, 100_000)
		for i := 0; i < 1_000; i++ {
			windows = append(windows, shared[i*100:(i+1)*100])
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(windows, cap(windows))
		c.Global(&windows)
		c.ValueBytes = 400_000
		c.Retained += sizeclass.Array[uint32](100_000)
	})
	p.Add("main.matrix", "slice", func() {
		for i := 0; i < 100; i++ {
			matrix = append(matrix, make([]float64, 300))
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(matrix, cap(matrix))
		c.Global(&matrix)
		c.ValueBytes = 100 * 300 * 8
		c.Retained += 100 * sizeclass.Array[float64](300)
	})
}

func withPointers(p *heapspec.Program) {
	p.Add("main.pointers", "slice", func() {
		for i := 0; i < p.N(20_000); i++ {
			pointers = append(pointers, &record{id: uint64(i)})
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(pointers, cap(pointers))
		c.Global(&pointers)
		c.ValueBytes = c.Entries * 48
		c.Retained += c.Entries * sizeclass.Of[record]()
	})
	p.Add("main.interfaces", "slice", func() {
		for i := 0; i < p.N(9_999); i++ {
			switch i % 3 {
			case 0:
				interfaces = append(interfaces, &record{id: uint64(i)})
			case 1:
				interfaces = append(interfaces, heapspec.Prefixed("boxed-string-number-", i))
			default:
				interfaces = append(interfaces, [4]uint64{uint64(i)})
			}
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(interfaces, cap(interfaces))
		c.Global(&interfaces)
		for _, v := range interfaces {
			switch v := v.(type) {
			case *record:
				c.Retained += sizeclass.Of[record]()
			case string:
				c.Retained += sizeclass.Of[string]() + sizeclass.Str(len(v))
			default:
				c.Retained += sizeclass.Of[[4]uint64]()
			}
		}
	})
	p.Add("main.strs", "slice", func() {
		for i := 0; i < p.N(10_000); i++ {
			strs = append(strs, heapspec.Text(i, 20+i%100))
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(strs, cap(strs))
		c.Global(&strs)
		for _, s := range strs {
			c.ValueBytes += uint64(len(s))
			c.Retained += sizeclass.Str(len(s))
		}
	})
	p.Add("main.records", "slice", func() {
		records = make([]record, 0, p.N(5_000))
		for i := 0; i < p.N(4_000); i++ {
			records = append(records, record{id: uint64(i), name: heapspec.Prefixed("record-with-number-", i)})
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(records, cap(records))
		c.Global(&records)
		for _, r := range records {
			c.ValueBytes += uint64(len(r.name))
			c.Retained += sizeclass.Str(len(r.name))
		}
	})
}
