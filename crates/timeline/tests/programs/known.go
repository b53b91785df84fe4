// Traces itself doing what it can count, and prints what it counted.
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/trace"
	"sync"
	"time"
)

const (
	waiters  = 10
	shorts   = 1000
	forced   = 3
	sleeping = 50 * time.Millisecond
)

type node struct {
	next *node
	data [6]uint64
}

var keep [4]*node

func waiter(gate chan struct{}, done *sync.WaitGroup) {
	<-gate
	done.Done()
}

func short(done *sync.WaitGroup) { done.Done() }

func sleeper(done *sync.WaitGroup) {
	time.Sleep(sleeping)
	done.Done()
}

// allocator makes garbage that points to garbage faster than background workers mark.
func allocator(i int, done *sync.WaitGroup) {
	for n := 0; n < 400_000; n++ {
		if n%20_000 == 0 {
			keep[i] = nil
		}
		keep[i] = &node{next: keep[i]}
	}
	done.Done()
}

func cpu(name string) float64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindFloat64 {
		return -1
	}
	return s[0].Value.Float64()
}

func main() {
	f, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	runtime.GOMAXPROCS(4)
	debug.SetGCPercent(20)
	runtime.GC()
	var before, after runtime.MemStats
	gate := make(chan struct{})
	var waiting, others sync.WaitGroup
	waiting.Add(waiters)
	for i := 0; i < waiters; i++ {
		go waiter(gate, &waiting)
	}
	if err := trace.Start(f); err != nil {
		panic(err)
	}
	runtime.ReadMemStats(&before)
	assist := cpu("/cpu/classes/gc/mark/assist:cpu-seconds")
	dedicated := cpu("/cpu/classes/gc/mark/dedicated:cpu-seconds")
	others.Add(1)
	go sleeper(&others)
	others.Add(shorts)
	for i := 0; i < shorts; i++ {
		go short(&others)
	}
	others.Wait()
	others.Add(len(keep))
	for i := range keep {
		go allocator(i, &others)
	}
	others.Wait()
	for i := 0; i < forced; i++ {
		runtime.GC()
	}
	runtime.ReadMemStats(&after)
	assist = cpu("/cpu/classes/gc/mark/assist:cpu-seconds") - assist
	dedicated = cpu("/cpu/classes/gc/mark/dedicated:cpu-seconds") - dedicated
	trace.Stop()
	close(gate)
	waiting.Wait()
	f.Close()
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"cycles": after.NumGC - before.NumGC, "pause_ns": after.PauseTotalNs - before.PauseTotalNs,
		"assist_ns": int64(assist * 1e9), "dedicated_ns": int64(dedicated * 1e9), "goal": after.NextGC,
		"waiters": waiters, "shorts": shorts, "sleep_ns": int64(sleeping), "procs": runtime.GOMAXPROCS(0),
		"allocated": after.TotalAlloc - before.TotalAlloc,
	})
}
