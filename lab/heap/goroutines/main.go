// Goroutines: ten thousand that wait for one channel with a buffer each, in the frame or on the
// heap, and some that wait for other things.
package main

import (
	"runtime"
	"sync"
	"time"

	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/mapshape"
	"oomph.example/lab/internal/sizeclass"
)

const bufferBytes = 4096

type request struct {
	id     uint64
	buffer *[bufferBytes]byte
}

var (
	gate    chan struct{}
	quit    chan struct{}
	mutex   sync.Mutex
	group   sync.WaitGroup
	sink    byte
	address uint64
	localN  uint64
	mapOf   map[string]*request
	half    int
)

func main() { heapspec.Main("goroutines", build) }

func build(p *heapspec.Program) {
	half = p.N(5_000)
	// Descriptors of goroutines are kept by the runtime for the next ones; two per goroutine, as a
	// free one may sit with the other processor.
	warm := make(chan struct{})
	for i := 0; i < 2*half; i++ {
		go func() { <-warm }()
	}
	heapspec.Blocked(2 * half)
	close(warm)
	for runtime.NumGoroutine() > 1 {
		runtime.Gosched()
	}
	gate, quit = make(chan struct{}), make(chan struct{})
	p.Add("goroutine main.holdHeap", "goroutine", func() {
		for i := 0; i < half; i++ {
			go holdHeap(uint64(i))
		}
		heapspec.Blocked(half)
	}, func(c *heapspec.Container) {
		c.Type = "*main.request"
		c.Entries = uint64(half)
		c.ValueBytes = c.Entries * (16 + bufferBytes)
		c.Retained = c.Entries * (sizeclass.Of[request]() + sizeclass.Of[[bufferBytes]byte]())
		c.Rule("goroutine-held")
	}, heapspec.Beside(func() uint64 { return uint64(half) * sudog() }))
	p.Add("goroutine main.holdFrame", "goroutine", func() {
		for i := 0; i < half; i++ {
			go holdFrame(byte(i))
		}
		heapspec.Blocked(2 * half)
	}, func(c *heapspec.Container) {
		c.Type = "[4096]byte"
		c.Entries = uint64(half)
		c.RetainedApprox = true // stacks are not on the heap
		c.Rule("goroutine-held")
	})
	local(p)
	others(p)
}

// sudog is the record of a goroutine that waits on a channel (runtime/runtime2.go).
func sudog() uint64 {
	if sizeclass.GoMinor() >= 26 {
		return sizeclass.Bytes(104, true)
	}
	return sizeclass.Bytes(88, true)
}

func holdHeap(id uint64) {
	r := newRequest(id)
	<-gate
	use(r)
}

//go:noinline
func newRequest(id uint64) *request {
	return &request{id: id, buffer: new([bufferBytes]byte)}
}

//go:noinline
func use(r *request) { sink += r.buffer[0] + byte(r.id) }

func holdFrame(b byte) {
	var buffer [bufferBytes]byte
	fill(&buffer, b)
	<-gate
	sink += buffer[b]
}

//go:noinline
func fill(buffer *[bufferBytes]byte, b byte) {
	for i := range buffer {
		buffer[i] = b
	}
}

// local is a map that only the frame of a goroutine refers to.
func local(p *heapspec.Program) {
	p.Add("goroutine main.holdMap/local", "map", func() {
		go holdMap(p.N(8_000))
		heapspec.Blocked(2*half + 1)
	}, func(c *heapspec.Container) {
		c.Type = "map[string]*main.request"
		c.Holder = "goroutine main.holdMap"
		c.Address, c.Entries, c.Capacity = address, localN, shape.Slots
		c.KeySize, c.ElemSize = 16, 8
		c.Map = &shape
		c.KeyBytes = localN * 24
		c.ValueBytes = localN * 16
		c.StructBytes = shape.Bytes
		c.Retained = shape.Bytes + localN*(sizeclass.Str(24)+sizeclass.Of[request]())
		c.Rule("goroutine-held")
	}, heapspec.Beside(sudog))
}

var shape mapshape.Shape

func holdMap(n int) {
	local := map[string]*request{}
	for i := 0; i < n; i++ {
		local[heapspec.Prefixed("goroutine-local-", i)] = &request{id: uint64(i)}
	}
	address, localN, shape = uint64(mapshape.Address(local)), uint64(len(local)), mapshape.Of(local)
	<-quit
	mapOf = local
}

// others wait for other reasons.
func others(p *heapspec.Program) {
	mutex.Lock()
	group.Add(1)
	for i := 0; i < 50; i++ {
		go func() { mutex.Lock(); sink++; mutex.Unlock() }()
		go func() { group.Wait() }()
		go func() {
			select {
			case <-gate:
			case <-quit:
			}
		}()
		go func() { time.Sleep(100 * time.Hour) }()
		go func() {
			var never chan int
			<-never
		}()
	}
	heapspec.Blocked(2*half + 1 + 250)
}
