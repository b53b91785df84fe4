// Traces itself under a CPU profile, doing what shows who waited for whom, and prints what it counted.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"sync"
	"time"
)

const (
	tasks   = 40
	regions = 3 // in each task
	blocked = 5
	left    = 7
	holding = 60 * time.Millisecond
)

var (
	mu    sync.Mutex
	sink  map[int]int
	big   = make([]byte, 256<<20)
	other = make([]byte, 256<<20)
)

// holder keeps the lock and fills maps that grow.
func holder(held chan struct{}, done *sync.WaitGroup) {
	mu.Lock()
	close(held)
	for until := time.Now().Add(holding); time.Now().Before(until); {
		m := map[int]int{}
		for i := 0; i < 1<<16; i++ {
			m[i*7] = i
		}
		sink = m
	}
	mu.Unlock()
	done.Done()
}

func waiter(held chan struct{}, done *sync.WaitGroup) {
	<-held
	mu.Lock()
	mu.Unlock()
	done.Done()
}

func leaver(gate chan struct{}) { <-gate }

// copier cannot be interrupted within a copy.
func copier(stop chan struct{}, started chan struct{}, done *sync.WaitGroup) {
	close(started)
	for {
		select {
		case <-stop:
			done.Done()
			return
		default:
			copy(big, other)
		}
	}
}

func request(n int) {
	ctx, task := trace.NewTask(context.Background(), "request")
	for i := 0; i < regions; i++ {
		trace.WithRegion(ctx, "part", func() { trace.Log(ctx, "step", strconv.Itoa(n)) })
	}
	task.End()
}

func main() {
	f, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	runtime.GOMAXPROCS(4)
	var profile bytes.Buffer
	if err := trace.Start(f); err != nil {
		panic(err)
	}
	if err := pprof.StartCPUProfile(&profile); err != nil {
		panic(err)
	}
	for i := 0; i < tasks; i++ {
		request(i)
	}
	_, open := trace.NewTask(context.Background(), "open")
	gate := make(chan struct{})
	for i := 0; i < left; i++ {
		go leaver(gate)
	}
	var done sync.WaitGroup
	held := make(chan struct{})
	done.Add(blocked + 1)
	for i := 0; i < blocked; i++ {
		go waiter(held, &done)
	}
	go holder(held, &done)
	done.Wait()
	stop, started := make(chan struct{}), make(chan struct{})
	done.Add(1)
	go copier(stop, started, &done)
	<-started
	for i := 0; i < 5; i++ {
		runtime.GC()
	}
	close(stop)
	done.Wait()
	pprof.StopCPUProfile()
	trace.Stop()
	open.End()
	close(gate)
	f.Close()
	if err := os.WriteFile(os.Args[1]+".pb.gz", profile.Bytes(), 0o644); err != nil {
		panic(err)
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"tasks": tasks, "regions": tasks * regions, "blocked": blocked, "left": left, "holding_ns": int64(holding),
	})
}
