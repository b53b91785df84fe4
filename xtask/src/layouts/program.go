// Uses what `layout/table.txt` has rows for, so that the linker keeps its debug information.
package main

import (
	"container/list"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

type T struct {
	next *T
	name string
}

var (
	values sync.Map
	pool   = sync.Pool{New: func() any { return new(T) }}
	chain  = list.New()
	table  = map[string]*T{}
	queue  = make(chan *T, 4)
	newer  []func()
)

func caught() (r any) {
	defer func() { r = recover() }()
	for i := 0; i < len(os.Args); i++ {
		defer func(i int) { chain.PushBack(i) }(i)
	}
	panic(fmt.Sprint("caught ", len(table)))
}

func main() {
	t := &T{name: "t"}
	runtime.SetFinalizer(t, func(t *T) { table[t.name] = t })
	values.Store("a", t)
	values.Range(func(k, v any) bool { return true })
	pool.Put(pool.Get())
	table["t"] = t
	delete(table, "u")
	go func() {
		for t := range queue {
			table[t.name] = t
		}
	}()
	select {
	case queue <- t:
	case <-time.After(time.Millisecond):
	}
	time.AfterFunc(time.Hour, func() { chain.PushFront(t) }).Stop()
	for _, f := range newer {
		f()
	}
	fmt.Println(caught())
	runtime.GC()
	pprof.Lookup("heap").WriteTo(os.Stdout, 0)
	runtime.KeepAlive(t)
}
