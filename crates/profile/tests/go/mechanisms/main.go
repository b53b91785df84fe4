// mechanisms allocates in one way per function and writes its heap profile to the file named, and
// as text to that name with ".txt".
package main

import (
	"bytes"
	"container/list"
	"fmt"
	"io"
	"math/big"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

type big4 struct{ a [40]int }

var m = map[string]int{}
var mb = map[int]big4{}
var s []int
var l = list.New()
var sink []any

//go:noinline
func mapInsert() {
	for i := 0; i < 20000; i++ {
		m[fmt.Sprint(i)] = i
	}
}

//go:noinline
func mapBig() {
	for i := 0; i < 5000; i++ {
		mb[i] = big4{}
	}
}

//go:noinline
func mapMake() { sink = append(sink, make(map[string]int, 100)) }

//go:noinline
func grow() {
	for i := 0; i < 20000; i++ {
		s = append(s, i)
	}
}

//go:noinline
func box(i int) any { return i + 1000 }

//go:noinline
func concat(a, b string) string { return a + b }

//go:noinline
func conv(b []byte) string { return string(b) }

//go:noinline
func mk(n int) []byte { return make([]byte, n) }

//go:noinline
func obj() *big4 { return &big4{} }

//go:noinline
func clo(i int) func() int { return func() int { return i } }

//go:noinline
func ch() chan int { return make(chan int, 100) }

//go:noinline
func gor() { go func() { time.Sleep(time.Hour) }() }

//go:noinline
func push() {
	for i := 0; i < 1000; i++ {
		l.PushBack(i)
	}
}

//go:noinline
func bigm() {
	x := big.NewInt(3)
	for i := 0; i < 300; i++ {
		x.Mul(x, big.NewInt(1e15))
	}
	sink = append(sink, x)
}

//go:noinline
func builder() {
	var b strings.Builder
	for i := 0; i < 1000; i++ {
		b.WriteString("hello")
	}
	sink = append(sink, b.String())
}

//go:noinline
func buffer() {
	var b bytes.Buffer
	for i := 0; i < 1000; i++ {
		b.WriteString("hello")
	}
	sink = append(sink, &b)
}

//go:noinline
func readAll() {
	b, _ := io.ReadAll(strings.NewReader(strings.Repeat("x", 5000)))
	sink = append(sink, b)
}

//go:noinline
func timer() { sink = append(sink, time.NewTimer(time.Hour)); time.After(time.Hour) }
func main() {
	runtime.MemProfileRate = 1
	mapInsert()
	mapBig()
	mapMake()
	grow()
	push()
	bigm()
	builder()
	buffer()
	readAll()
	timer()
	for i := 0; i < 100; i++ {
		sink = append(sink, box(i), concat("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", fmt.Sprint(i)), conv(mk(100)), obj(), clo(i), ch())
		gor()
	}
	runtime.GC()
	f, _ := os.Create(os.Args[1])
	pprof.Lookup("heap").WriteTo(f, 0)
	f.Close()
	f, _ = os.Create(os.Args[1] + ".txt")
	pprof.Lookup("heap").WriteTo(f, 1)
	f.Close()
}
