// Texts: strings that pin larger ones, strings with the same content many times over, and the
// buffers that strings and numbers are made in.
package main

import (
	"bytes"
	"math/big"
	"strings"

	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/sizeclass"
)

var (
	large      string
	substrings []string
	duplicates []string
	distinct   []string
	builder    strings.Builder
	buffer     bytes.Buffer
	buffers    []*bytes.Buffer
	builders   []*strings.Builder
	number     *big.Int
	numbers    map[string]*big.Int
)

const (
	pageBytes      = 20_000
	duplicateBytes = 56
	duplicateKinds = 8
)

func main() { heapspec.Main("texts", build) }

func build(p *heapspec.Program) {
	texts(p)
	writers(p)
	bigNumbers(p)
}

func texts(p *heapspec.Program) {
	p.Add("main.large", "string", func() { large = heapspec.Text(1, 3<<20) }, func(c *heapspec.Container) {
		c.Type = "string"
		c.Global(&large)
		c.Entries, c.ValueBytes = uint64(len(large)), uint64(len(large))
		c.Retained = sizeclass.Str(len(large))
	})
	p.Add("main.substrings", "slice", func() {
		for i := 0; i < p.N(200); i++ {
			page := heapspec.Text(i, pageBytes)
			substrings = append(substrings, page[1000:1040])
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(substrings, cap(substrings))
		c.Global(&substrings)
		c.ValueBytes = c.Entries * pageBytes
		c.Retained += c.Entries * sizeclass.Str(pageBytes)
		c.Live = c.Entries * 40
		c.Rule("substring-pin")
	})
	p.Add("main.duplicates", "slice", func() { duplicate(p.N(30_000)) }, func(c *heapspec.Container) {
		c.SliceOf(duplicates, cap(duplicates))
		c.Global(&duplicates)
		c.ValueBytes = c.Entries * duplicateBytes
		c.Retained += c.Entries * sizeclass.Str(duplicateBytes)
		c.Live = duplicateKinds * duplicateBytes
		c.Rule("duplicate-strings")
	})
	p.Grow("main.duplicates", func() { duplicate(p.N(10_000)) })
	p.Add("main.distinct", "slice", func() {
		var r heapspec.Rand = 5
		for i := 0; i < p.N(10_000); i++ {
			distinct = append(distinct, r.UUID())
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(distinct, cap(distinct))
		c.Global(&distinct)
		c.ValueBytes = c.Entries * 36
		c.Retained += c.Entries * sizeclass.Str(36)
	})
}

func duplicate(n int) {
	for i := 0; i < n; i++ {
		duplicates = append(duplicates, heapspec.Text(i%duplicateKinds, duplicateBytes))
	}
}

func writers(p *heapspec.Program) {
	p.Add("main.builder", "buffer", func() {
		builder.Grow(1 << 20)
		builder.WriteString("a short text in a large buffer")
	}, func(c *heapspec.Container) {
		c.Type = "strings.Builder"
		c.Global(&builder)
		c.Entries, c.Capacity = uint64(builder.Len()), uint64(builder.Cap())
		c.Retained = sizeclass.Bytes(c.Capacity, false)
		c.Rule("capacity-waste")
	})
	p.Add("main.buffer", "buffer", func() {
		buffer.Write(make([]byte, 5<<20))
		buffer.Reset()
		buffer.WriteString("what is left")
	}, func(c *heapspec.Container) {
		c.Type = "bytes.Buffer"
		c.Global(&buffer)
		c.Entries, c.Capacity = uint64(buffer.Len()), uint64(buffer.Cap())
		c.Retained = sizeclass.Bytes(c.Capacity, false)
		c.Rule("capacity-waste")
	})
	p.Add("main.buffers", "slice", func() {
		for i := 0; i < p.N(100); i++ {
			b := bytes.NewBuffer(make([]byte, 0, 30_000))
			b.WriteString("sixteen bytes....")
			buffers = append(buffers, b)
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(buffers, cap(buffers))
		c.Global(&buffers)
		for _, b := range buffers {
			c.ValueBytes += uint64(b.Cap())
			c.Retained += sizeclass.Of[bytes.Buffer]() + sizeclass.Bytes(uint64(b.Cap()), false)
		}
		c.Rule("capacity-waste")
	})
	p.Add("main.builders", "slice", func() {
		for i := 0; i < p.N(100); i++ {
			b := new(strings.Builder)
			b.Grow(5_000)
			b.WriteString("x")
			builders = append(builders, b)
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(builders, cap(builders))
		c.Global(&builders)
		for _, b := range builders {
			c.ValueBytes += uint64(b.Cap())
			c.Retained += sizeclass.Of[strings.Builder]() + sizeclass.Bytes(uint64(b.Cap()), false)
		}
		c.Rule("capacity-waste")
	})
}

func bigNumbers(p *heapspec.Program) {
	p.Add("main.number", "bigint", func() {
		number = new(big.Int).Lsh(big.NewInt(1), 1<<20)
	}, func(c *heapspec.Container) {
		c.Is(number)
		c.Global(&number)
		c.Entries, c.Capacity = uint64(len(number.Bits())), uint64(cap(number.Bits()))
		c.ElemSize = 8
		c.Retained = sizeclass.Of[big.Int]() + sizeclass.Array[big.Word](cap(number.Bits()))
	})
	p.Add("main.numbers", "map", func() {
		numbers = map[string]*big.Int{}
		addNumbers(0, p.N(10_000))
	}, func(c *heapspec.Container) {
		c.MapOf(numbers)
		c.Global(&numbers)
		for k, n := range numbers {
			c.KeyBytes += uint64(len(k))
			c.ValueBytes += uint64(cap(n.Bits())) * 8
			c.Retained += sizeclass.Str(len(k)) + sizeclass.Of[big.Int]() + sizeclass.Array[big.Word](cap(n.Bits()))
		}
		c.Rule("unbounded-map")
	})
	p.Grow("main.numbers", func() { addNumbers(len(numbers), p.N(2_000)) })
}

func addNumbers(from, n int) {
	for i := from; i < from+n; i++ {
		numbers[heapspec.Prefixed("transfer-number-", i)] = new(big.Int).Lsh(big.NewInt(int64(i)+1), 500)
	}
}
