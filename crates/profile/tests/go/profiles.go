// profiles writes one of each profile into the directory given, as proto and as text, from a
// program with recursion, inlining, generics, labels, contention, maps, lists and goroutines.
package main

import (
	"bytes"
	"container/list"
	"context"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"
)

type item struct{ a, b, c, d int }

var (
	sink   []any
	table  = map[string]*item{}
	grown  []item
	joined string
	queue  = list.New()
	number = big.NewInt(1)
	pause  = make(chan bool)
	mu     sync.Mutex
)

type box[K comparable, V any] struct{ m map[K]V }

//go:noinline
func (b *box[K, V]) put(k K, v V) { b.m[k] = v }

//go:noinline
func recurse(n int) {
	if n == 0 {
		sink = append(sink, make([]byte, 3000))
		return
	}
	recurse(n - 1)
}

func inlined(n int) []byte { return make([]byte, n) }

//go:noinline
func callsInlined(n int) { sink = append(sink, inlined(n)) }

//go:noinline
func allocate(i int) {
	recurse(i % 9)
	callsInlined(500 + i)
	callsInlined(700 + i)
	table[fmt.Sprintf("key-%d", i)] = &item{a: i}
	grown = append(grown, item{b: i})
	joined = joined[:min(len(joined), 100)] + fmt.Sprint(i)
	queue.PushBack(i)
	number.Mul(number, big.NewInt(int64(i+3)))
	(&box[string, int]{map[string]int{}}).put("x", i)
	var sb strings.Builder
	sb.WriteString(strings.Repeat("y", 100))
	sink = append(sink, sb.String(), i)
	all, _ := io.ReadAll(bytes.NewReader(make([]byte, 2000)))
	sink = append(sink, all)
	time.AfterFunc(time.Hour, func() {})
}

//go:noinline
func wait() { <-pause }

//go:noinline
func contend() {
	mu.Lock()
	burn(20) // long enough for the others to come and wait
	mu.Unlock()
}

//go:noinline
func burn(n int) int {
	x := n
	for i := 0; i < n*2000000; i++ {
		x = x*31 + i
	}
	return x
}

func write(dir, name string, debug int) {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		panic(err)
	}
	defer f.Close()
	base := strings.SplitN(strings.SplitN(name, ".", 2)[0], "-", 2)[0]
	if err := pprof.Lookup(base).WriteTo(f, debug); err != nil {
		panic(err)
	}
}

func main() {
	dir := os.Args[1]
	runtime.MemProfileRate = 512
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	cpu, err := os.Create(filepath.Join(dir, "cpu.pb.gz"))
	if err != nil {
		panic(err)
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		panic(err)
	}
	for i := 0; i < 300; i++ {
		allocate(i)
	}
	pprof.Do(context.Background(), pprof.Labels("handler", "burn \"x\"", "id", "7"), func(context.Context) {
		burn(100)
		for i := 0; i < 7; i++ {
			go wait()
		}
	})
	for i := 0; i < 5; i++ {
		go wait()
	}
	go func() {
		runtime.LockOSThread()
		wait()
	}()
	var wg sync.WaitGroup
	for i := 0; i < 4; i++ {
		wg.Add(1)
		go func() { defer wg.Done(); contend() }()
	}
	wg.Wait()
	burn(200)
	pprof.StopCPUProfile()
	cpu.Close()
	runtime.GC()
	runtime.GC()
	write(dir, "heap-1.pb.gz", 0)
	write(dir, "heap.txt", 1)
	for i := 300; i < 450; i++ {
		allocate(i)
	}
	for i := 0; i < 100; i++ {
		delete(table, fmt.Sprintf("key-%d", i))
	}
	sink = sink[len(sink)/2:]
	runtime.GC()
	runtime.GC()
	write(dir, "heap-2.pb.gz", 0)
	write(dir, "allocs.pb.gz", 0)
	write(dir, "mutex.pb.gz", 0)
	write(dir, "mutex.txt", 1)
	write(dir, "block.pb.gz", 0)
	write(dir, "goroutine.pb.gz", 0)
	write(dir, "goroutine.txt", 1)
	write(dir, "threadcreate.pb.gz", 0)
	write(dir, "goroutine.dump", 2)
	fmt.Println(runtime.NumGoroutine())
	runtime.KeepAlive(grown)
}
