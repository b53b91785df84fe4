// Deep-stacks: 30,000 long-lived goroutines, one for each connected device, each parked deep in its
// call chain: stacks dominate the memory, and their number does not change.
package main

import (
	"sync"
	"sync/atomic"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

func main() { service.Main(service.Spec{Name: "deep-stacks", Setup: setup}) }

const (
	devices = 30_000
	depth   = 22
)

var (
	parked  atomic.Uint64
	command = make(chan struct{})
	results atomic.Uint64
)

func setup(env *service.Env) {
	var ready sync.WaitGroup
	for i := 0; i < devices; i++ {
		ready.Add(1)
		go func(device int) {
			results.Add(uint64(descend(device, depth, &ready)))
		}(i)
	}
	ready.Wait()
	env.Counts = func() truth.Counts {
		return truth.Counts{Entries: devices, Goroutines: parked.Load(), Phase: truth.Steady}
	}
}

// descend is a parser that calls itself for each level and waits for a command at the bottom.
//
//go:noinline
func descend(device, level int, ready *sync.WaitGroup) byte {
	var frame [192]byte
	frame[device%len(frame)] = byte(level)
	if level == 0 {
		parked.Add(1)
		ready.Done()
		<-command
		return frame[0]
	}
	return descend(device, level-1, ready) + frame[level]
}
