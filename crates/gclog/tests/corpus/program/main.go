// Command gctruth collects garbage and says on standard output what the runtime itself counted of each
// collection, one JSON object a line, while GODEBUG=gctrace=1 prints to standard error. The corpus beside this
// directory is made by it (make.py), and tests of oomph run it.
//
//	gctruth -cycles 40           that many collections, forced ones and those of an allocating program
//	gctruth -cycles 40 -log 2    with two goroutines that log JSON to standard error meanwhile
//	gctruth -load 5s -live 64 -rate 200
//	                             a live heap of 64 MiB, 200 MiB/s of garbage, and at the end what the GC cost
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

type node struct {
	next *node
	pad  [6]uint64
}

// truth is what the runtime says after a collection.
type truth struct {
	NumGC        uint32
	NumForced    uint32
	PauseTotalNs uint64
	LastGC       uint64
	NextGC       uint64
	TotalAlloc   uint64
	Fraction     float64
	Live         uint64 // bytes marked
	Stack        uint64 // bytes scannable
	Globals      uint64
	AssistS      float64 // CPU seconds since the start
	DedicatedS   float64
	IdleS        float64
	PauseS       float64
	Procs        int
	Before       uint64 // HeapAlloc right before a forced collection, else 0
	SinceStartMs float64
	Version      string
}

var (
	start = time.Now()
	names = []string{
		"/gc/heap/live:bytes", "/gc/scan/stack:bytes", "/gc/scan/globals:bytes",
		"/cpu/classes/gc/mark/assist:cpu-seconds", "/cpu/classes/gc/mark/dedicated:cpu-seconds",
		"/cpu/classes/gc/mark/idle:cpu-seconds", "/cpu/classes/gc/pause:cpu-seconds",
	}
	keep atomic.Pointer[node]
	sink atomic.Pointer[node]

	stepped atomic.Pointer[node]
	large   []*node
)

func read() truth {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := make([]metrics.Sample, len(names))
	for i, n := range names {
		s[i].Name = n
	}
	metrics.Read(s)
	return truth{
		NumGC: m.NumGC, NumForced: m.NumForcedGC, PauseTotalNs: m.PauseTotalNs, LastGC: m.LastGC, NextGC: m.NextGC,
		TotalAlloc: m.TotalAlloc, Fraction: m.GCCPUFraction,
		Live: s[0].Value.Uint64(), Stack: s[1].Value.Uint64(), Globals: s[2].Value.Uint64(),
		AssistS: s[3].Value.Float64(), DedicatedS: s[4].Value.Float64(), IdleS: s[5].Value.Float64(),
		PauseS: s[6].Value.Float64(), Procs: runtime.GOMAXPROCS(0),
		SinceStartMs: float64(time.Since(start)) / 1e6, Version: runtime.Version(),
	}
}

// settled reads until no collection ends in between.
func settled() truth {
	for {
		a := read()
		var s debug.GCStats
		debug.ReadGCStats(&s)
		if s.NumGC == int64(a.NumGC) {
			return a
		}
	}
}

func say(t truth) {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(b))
}

func list(bytes int) *node {
	var head *node
	for i := 0; i < bytes; i += 64 {
		n := &node{next: head}
		n.pad[0] = uint64(i)
		head = n
	}
	return head
}

func logger(stop *atomic.Bool, done chan<- struct{}) {
	l := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	for i := 0; !stop.Load(); i++ {
		l.Info("request done", "path", "/v1/items", "status", 200, "took_ms", i%17, "user", "u1234")
	}
	done <- struct{}{}
}

func cycles(n, loggers int) {
	var stop atomic.Bool
	done := make(chan struct{})
	for i := 0; i < loggers; i++ {
		go logger(&stop, done)
	}
	var m runtime.MemStats
	last := uint32(0)
	seen := 0
	// Forced ones first, the heap growing in between.
	for ; seen < n/4; seen++ {
		keep.Store(list((1 + seen) << 20))
		runtime.ReadMemStats(&m)
		before := m.HeapAlloc
		runtime.GC()
		t := settled()
		t.Before = before
		say(t)
		last = t.NumGC
	}
	// Then those that allocation brings about, by two goroutines, so that some have to assist.
	var halt atomic.Bool
	go func() {
		for !halt.Load() {
			sink.Store(list(256 << 10))
		}
		done <- struct{}{}
	}()
	var s debug.GCStats
	for seen < n {
		sink.Store(list(64 << 10))
		debug.ReadGCStats(&s)
		if uint32(s.NumGC) != last {
			t := settled()
			say(t)
			last = t.NumGC
			seen++
		}
	}
	halt.Store(true)
	<-done
	stop.Store(true)
	for i := 0; i < loggers; i++ {
		<-done
	}
	say(settled())
}

// shape is what a program under load does.
type shape struct {
	live, rate, leak, step, big, burst, workers int
	force                                       time.Duration
}

// load allocates garbage beside a live heap, at a rate, and says what it did. At half time the heap steps up, a large
// slice is made, the rate changes, as the shape has it.
func load(d time.Duration, sh shape) {
	keep.Store(list(sh.live << 20))
	runtime.GC()
	say(settled())
	const piece = 256 << 10
	begin := time.Now()
	done := make(chan struct{})
	for w := 1; w < sh.workers; w++ {
		go func() {
			for time.Since(begin) < d {
				sink.Store(list(piece))
			}
			done <- struct{}{}
		}()
	}
	rate, allocated, leaked := float64(sh.rate<<20), 0, 0
	since, late := begin, false
	forced := begin
	for time.Since(begin) < d {
		sink.Store(list(piece))
		allocated += piece
		if due := int(time.Since(begin).Seconds() * float64(sh.leak<<20)); leaked < due {
			// A list of its own: the one before hangs on it.
			more := list(due - leaked)
			last := more
			for last.next != nil {
				last = last.next
			}
			last.next = keep.Load()
			keep.Store(more)
			leaked = due
		}
		if sh.force > 0 && time.Since(forced) >= sh.force {
			runtime.GC()
			forced = time.Now()
		}
		if !late && time.Since(begin) >= d/2 {
			late = true
			stepped.Store(list(sh.step << 20))
			if sh.big > 0 {
				large = make([]*node, sh.big<<20/8)
			}
			rate *= float64(sh.burst)
			since, allocated = time.Now(), 0
		}
		if rate > 0 {
			due := time.Duration(float64(allocated) / rate * float64(time.Second))
			if ahead := due - time.Since(since); ahead > 0 {
				time.Sleep(ahead)
			}
		}
	}
	for w := 1; w < sh.workers; w++ {
		<-done
	}
	say(settled())
}

func main() {
	n := flag.Int("cycles", 0, "collections to go through")
	loggers := flag.Int("log", 0, "goroutines that log to standard error meanwhile")
	d := flag.Duration("load", 0, "how long to allocate")
	var sh shape
	flag.IntVar(&sh.live, "live", 64, "live heap with -load, MiB")
	flag.IntVar(&sh.rate, "rate", 0, "MiB of garbage a second with -load; 0: as fast as it goes")
	flag.IntVar(&sh.leak, "leak", 0, "MiB a second that the live heap grows by")
	flag.IntVar(&sh.step, "step", 0, "MiB that it grows by at half time")
	flag.IntVar(&sh.big, "big", 0, "MiB of one slice made at half time")
	flag.IntVar(&sh.burst, "burst", 1, "factor of the rate from half time on")
	flag.IntVar(&sh.workers, "workers", 1, "goroutines that allocate, all but one as fast as it goes")
	flag.DurationVar(&sh.force, "force", 0, "time between forced collections")
	flag.Parse()
	if *d > 0 {
		load(*d, sh)
		return
	}
	cycles(*n, *loggers)
}
