// A small program with one of everything that a heap reader follows. Prints READY and waits. An argument makes
// it even smaller.
package main

import (
	"bytes"
	"container/list"
	"context"
	"fmt"
	"math"
	"math/big"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

type node struct {
	next, back *node
	name       string
}

type tree struct {
	left, right *tree
	value       any
}

type shape interface{ area() float64 }

type square struct{ side float64 }

func (s *square) area() float64 { return s.side * s.side }

var (
	users    = map[string]*node{}
	small    = map[int]string{}
	wide     = map[[40]byte][200]byte{}
	growing  = map[uint64]uint64{}
	emptied  = map[string]int{}
	nan      = map[float64]int{}
	queue    = list.New()
	chain    *node
	ring     *node
	root     *tree
	tail     []byte
	matrix   [][]float64
	texts    []string
	shapes   []shape
	table    sync.Map
	pool     = sync.Pool{New: func() any { return new([4096]byte) }}
	full     = make(chan *node, 4)
	empty    = make(chan string)
	timers   []*time.Timer
	ctx      = context.Background()
	buffer   bytes.Buffer
	number   = big.NewInt(3)
	funcs    []func() string
	handles  []any
	huge     []*node
	finished int
)

func init() { runtime.MemProfileRate = 512 }

func fill() {
	n := 500
	if len(os.Args) > 1 {
		n = 30
	}
	for i := range make([]struct{}, n) {
		key := fmt.Sprintf("user-%04d", i)
		chain = &node{next: chain, name: key}
		users[key] = chain
		if i < 5 {
			small[i] = key
		}
		emptied[key] = i
		queue.PushBack(key)
		table.Store(key, chain)
		texts = append(texts, strings.Repeat("same text ", 3))
		shapes = append(shapes, &square{float64(i)})
		funcs = append(funcs, func() string { return key + texts[0] })
		root = &tree{left: root, value: i * 1000}
		var k [40]byte
		copy(k[:], key)
		wide[k] = [200]byte{1}
		nan[math.NaN()] = i
	}
	// In the middle of growing, where there is such a state.
	for i := uint64(0); i < 209; i++ {
		growing[i] = i
	}
	for k := range emptied {
		delete(emptied, k)
	}
	ring = &node{name: "ring"}
	ring.next, ring.back = ring, ring
	block := make([]byte, n<<11)
	tail = block[len(block)-10:]
	for range make([]struct{}, n/25+5) {
		matrix = append(matrix, make([]float64, 100, 1000))
		timers = append(timers, time.AfterFunc(time.Hour, func() { finished++ }))
		ctx = context.WithValue(ctx, ring, chain)
		number.Mul(number, number.Add(number, big.NewInt(1)))
	}
	huge = make([]*node, 200*n)
	for i := range huge {
		huge[i] = ring
	}
	buffer.Grow(200 * n)
	pool.Put(pool.Get())
	f := &node{name: "finalized"}
	runtime.SetFinalizer(f, func(*node) { finished++ })
	handles = append(handles, f)
	newer()
	for range make([]struct{}, cap(full)) {
		full <- chain
	}
	for i := range make([]struct{}, 8) {
		go func() { full <- &node{name: fmt.Sprint(i)} }()
		go func() { fmt.Println(<-empty) }()
		go func() {
			select {
			case <-empty:
			case full <- ring:
			case <-time.After(time.Hour):
			}
		}()
	}
}

func main() {
	fill()
	for runtime.NumGoroutine() < 25 {
		runtime.Gosched()
	}
	runtime.GC()
	fmt.Println("READY")
	os.Stdin.Read(make([]byte, 1))
}
