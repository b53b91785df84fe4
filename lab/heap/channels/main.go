// Channels: with contents, with senders or receivers that wait, and without anything.
package main

import (
	"runtime"
	"unsafe"

	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/sizeclass"
)

type event struct {
	id   uint64
	body *[200]byte
}

var (
	numbers    chan uint64
	events     chan event
	halfFull   chan [3]uint64
	signals    chan struct{}
	unbuffered chan *event
	receivers  chan uint64
	senders    chan *event
	closed     chan event
	ofChannels []chan uint64
)

const waiting = 500

func main() { heapspec.Main("channels", build) }

// hchan is the size of runtime.hchan: 96 up to Go 1.22, 104 to 1.24, 112 since (synctest).
func hchan() uint64 {
	switch minor := sizeclass.GoMinor(); {
	case minor <= 22:
		return 96
	case minor <= 24:
		return 104
	default:
		return 112
	}
}

// bytesOf a channel of n elements: without pointers, the buffer follows the header.
func bytesOf[T any](n int) uint64 {
	t := sizeclass.TypeOf[T]()
	size := uint64(t.Size()) * uint64(n)
	if size != 0 && sizeclass.HasPointers(t) {
		// new(hchan) has a type with pointers, and the buffer is an allocation of its own.
		return sizeclass.Bytes(hchan(), true) + sizeclass.Bytes(size, true)
	}
	return sizeclass.Bytes(hchan()+size, false)
}

// sudog is the record of a goroutine that waits on a channel (runtime/runtime2.go).
func sudog() uint64 {
	if sizeclass.GoMinor() >= 26 {
		return sizeclass.Bytes(104, true)
	}
	return sizeclass.Bytes(88, true)
}

func of[T any](c *heapspec.Container, ch chan T, global any) {
	c.Is(ch)
	c.Global(global)
	c.Entries, c.Capacity = uint64(len(ch)), uint64(cap(ch))
	c.ElemSize = uint64(unsafe.Sizeof(*new(T)))
	c.StructBytes = bytesOf[T](cap(ch))
	c.Retained = c.StructBytes
}

func build(p *heapspec.Program) {
	// The descriptors of goroutines are kept by the runtime for the next ones.
	done := make(chan struct{})
	for i := 0; i < 2*waiting; i++ {
		go func() { <-done }()
	}
	runtime.Gosched()
	close(done)
	for runtime.NumGoroutine() > 1 {
		runtime.Gosched()
	}
	buffered(p)
	blocked(p)
}

func buffered(p *heapspec.Program) {
	p.Add("main.numbers", "chan", func() {
		numbers = make(chan uint64, 10_000)
		for i := 0; i < 10_000; i++ {
			numbers <- uint64(i)
		}
	}, func(c *heapspec.Container) { of(c, numbers, &numbers) })
	p.Add("main.events", "chan", func() {
		events = make(chan event, 5_000)
		send(2_500)
	}, func(c *heapspec.Container) {
		of(c, events, &events)
		c.ValueBytes = c.Entries * 200
		c.Retained += c.Entries * sizeclass.Of[[200]byte]()
	})
	p.Grow("main.events", func() { send(500) })
	p.Add("main.halfFull", "chan", func() {
		halfFull = make(chan [3]uint64, 1_000)
		for i := 0; i < 1_400; i++ {
			halfFull <- [3]uint64{uint64(i)}
			if i >= 500 {
				<-halfFull
			}
		}
	}, func(c *heapspec.Container) { of(c, halfFull, &halfFull) })
	p.Add("main.signals", "chan", func() {
		signals = make(chan struct{}, 100)
		signals <- struct{}{}
	}, func(c *heapspec.Container) { of(c, signals, &signals) })
	p.Add("main.unbuffered", "chan", func() { unbuffered = make(chan *event) },
		func(c *heapspec.Container) { of(c, unbuffered, &unbuffered) })
	p.Add("main.closed", "chan", func() {
		closed = make(chan event, 16)
		closed <- event{id: 1}
		close(closed)
	}, func(c *heapspec.Container) { of(c, closed, &closed) })
	p.Add("main.ofChannels", "slice", func() {
		ofChannels = make([]chan uint64, 2_000)
		for i := range ofChannels {
			ofChannels[i] = make(chan uint64, i%8)
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(ofChannels, cap(ofChannels))
		c.Global(&ofChannels)
		for _, ch := range ofChannels {
			c.ValueBytes += bytesOf[uint64](cap(ch))
			c.Retained += bytesOf[uint64](cap(ch))
		}
	})
}

func send(n int) {
	for i := 0; i < n && len(events) < cap(events); i++ {
		events <- event{uint64(i), new([200]byte)}
	}
}

func blocked(p *heapspec.Program) {
	p.Add("main.receivers", "chan", func() {
		receivers = make(chan uint64)
		for i := 0; i < waiting; i++ {
			go receive()
		}
		settle(waiting)
	}, func(c *heapspec.Container) {
		of(c, receivers, &receivers)
		c.Receivers = waiting
		c.RetainedApprox = true // whether a channel retains those who wait on it is a matter of view
		c.Rule("goroutine-held")
	})
	p.Add("main.senders", "chan", func() {
		senders = make(chan *event)
		for i := 0; i < waiting; i++ {
			go offer(uint64(i))
		}
		settle(2 * waiting)
	}, func(c *heapspec.Container) {
		of(c, senders, &senders)
		c.Senders = waiting
		c.ValueBytes = waiting * (16 + 200)
		c.Retained += waiting * (sizeclass.Of[event]() + sizeclass.Of[[200]byte]())
		c.RetainedApprox = true
		c.Rule("goroutine-held")
	}, heapspec.Beside(func() uint64 { return waiting * sudog() }))
}

func receive() { <-receivers }

func offer(id uint64) { senders <- &event{id, new([200]byte)} }

// settle waits until n goroutines have started and, as there is nothing else to run, block.
func settle(n int) { heapspec.Blocked(n) }
