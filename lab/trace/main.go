// Command trace writes an execution trace of itself doing one kind of work:
//
//	trace MODE FILE MILLISECONDS
//
// Modes: busy (channels, goroutines, tasks, regions, system calls, collections), gc (allocation with mark
// assists), syscalls (calls that block, so that procs are stolen), sleepers (timers, mutexes, selects), profiled
// (busy under a CPU profile), idle (a tick now and then), mixed (busy, gc,
// syscalls and sleepers at once, as a loaded service), coroutines (iter.Pull, from Go 1.23), flight (a flight recorder's window, from Go
// 1.25). In every mode goroutines of all states exist before the trace begins.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"sync"
	"time"
)

var (
	sink  [64][]byte
	nodes [64]*node
)

type node struct {
	next *node
	data [40]byte
}

var modes = map[string]func(time.Time){
	"busy": busy, "gc": gc, "syscalls": syscalls, "sleepers": sleepers, "profiled": profiled,
	"idle": idle, "mixed": mixed,
}

func main() {
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: trace MODE FILE MILLISECONDS"))
	}
	ms, err := strconv.Atoi(os.Args[3])
	fail(err)
	f, err := os.Create(os.Args[2])
	fail(err)
	if runtime.GOMAXPROCS(0) < 4 {
		runtime.GOMAXPROCS(4)
	}
	// What was there before the trace.
	block := make(chan struct{})
	for i := 0; i < 20; i++ {
		go func() { <-block }()
		go sleepers(time.Now().Add(time.Millisecond))
	}
	end := func() time.Time { return time.Now().Add(time.Duration(ms) * time.Millisecond) }
	if os.Args[1] == "flight" {
		flight(f, end())
	} else {
		work := modes[os.Args[1]]
		if work == nil {
			fail(fmt.Errorf("no mode %q", os.Args[1]))
		}
		fail(trace.Start(f))
		work(end())
		trace.Stop()
	}
	fail(f.Close())
	close(block)
}

// going says whether a loop goes into round n: until stop, and a few rounds in any case, so that a loaded machine
// leaves something to see as well.
func going(n int, stop time.Time) bool { return n < 30 || time.Now().Before(stop) }

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func busy(stop time.Time) {
	var wg sync.WaitGroup
	start := func(f func()) {
		wg.Add(1)
		go func() { defer wg.Done(); f() }()
	}
	for i := 0; i < 4; i++ {
		a, b := make(chan int), make(chan int)
		start(func() {
			defer close(a)
			for n := 0; going(n, stop); n++ {
				a <- n
				<-b
			}
		})
		start(func() {
			for n := range a {
				b <- n
			}
		})
	}
	for i := 0; i < 2; i++ {
		i := i
		start(func() {
			for n := 0; going(n, stop); n++ {
				request(i, n)
			}
		})
	}
	start(func() {
		for n := 0; going(n, stop); n++ {
			var in sync.WaitGroup
			for j := 0; j < 32; j++ {
				in.Add(1)
				go in.Done()
			}
			in.Wait()
		}
	})
	wg.Wait()
}

func request(i, n int) {
	ctx, task := trace.NewTask(context.Background(), "request")
	trace.WithRegion(ctx, "handle", func() {
		inner, sub := trace.NewTask(ctx, "part")
		trace.Log(inner, "n", strconv.Itoa(n))
		defer trace.StartRegion(inner, "inner").End()
		sink[i] = make([]byte, 1<<14)
		sub.End()
	})
	task.End()
	if n%64 == 0 {
		os.ReadFile("/proc/self/stat")
	}
	if n%512 == 0 {
		runtime.GC()
	}
}

func gc(stop time.Time) {
	var wg sync.WaitGroup
	for i := 0; i < 8; i++ {
		i := i
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := 0; going(n, stop); n++ {
				if n%5000 == 0 {
					nodes[i] = nil
				}
				nodes[i] = &node{next: nodes[i]}
				sink[i] = make([]byte, 4096)
			}
		}()
	}
	wg.Wait()
}

func syscalls(stop time.Time) {
	var wg sync.WaitGroup
	for i := 0; i < 6; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r, w, err := os.Pipe()
			fail(err)
			go func() {
				for n := 0; going(n, stop); n++ {
					time.Sleep(200 * time.Microsecond)
					w.Write([]byte{1})
				}
				w.Close()
			}()
			// A descriptor in blocking mode: reads hold a thread.
			r.Fd()
			buf := make([]byte, 16)
			for {
				if _, err := r.Read(buf); err != nil {
					return
				}
				runtime.LockOSThread()
				os.Getpid()
				os.Stat("/")
				runtime.UnlockOSThread()
			}
		}()
	}
	wg.Wait()
}

func sleepers(stop time.Time) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := 0; i < 4; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for n := 0; going(n, stop); n++ {
				mu.Lock()
				runtime.Gosched()
				mu.Unlock()
				select {
				case <-tick.C:
				case <-time.After(3 * time.Millisecond):
				}
				time.Sleep(100 * time.Microsecond)
			}
		}()
	}
	wg.Wait()
}

func idle(stop time.Time) {
	for time.Now().Before(stop) {
		time.Sleep(20 * time.Millisecond)
		request(0, 1)
	}
}

func mixed(stop time.Time) {
	var wg sync.WaitGroup
	for _, work := range []func(time.Time){busy, gc, syscalls, sleepers, sleepers, sleepers} {
		wg.Add(1)
		go func(work func(time.Time)) { defer wg.Done(); work(stop) }(work)
	}
	wg.Wait()
}

func profiled(stop time.Time) {
	fail(pprof.StartCPUProfile(io.Discard))
	busy(stop)
	gc(time.Now().Add(20 * time.Millisecond))
	pprof.StopCPUProfile()
}
