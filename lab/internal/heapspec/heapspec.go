// Package heapspec is the frame of the programs in lab/heap: each builds containers it knows all
// about, prints one JSON document that says so, prints READY and stands still, so that whoever
// reads its memory has a truth to compare with.
//
// Between the runtime's counts (MemStats) in the document and the next command nothing is
// allocated and nothing is collected: the heap is the one the document describes.
//
// Commands on stdin: "grow" (one step of growth, then a new document and READY), "exit". The end of
// stdin ends the program.
package heapspec

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
)

// Program is a program of lab/heap while it builds.
type Program struct {
	Name  string
	Scale float64

	containers []*entry
	growth     []step
	groups     []Group
	late       []func()
	last       []func()
	passes     int
	steps      int
	bare       bool
}

type entry struct {
	Container
	account func(c *Container)
	// Bytes that building it added to the heap beside what it retains.
	beside func() uint64
	// Bytes that the runtime may have allocated for itself meanwhile.
	noise int64
}

type step struct {
	name string
	do   func()
}

// Option changes how a container is measured.
type Option func(e *entry)

// Beside tells of bytes that building the container leaves on the heap without being retained by it
// (wait records of blocked goroutines, what other holders share).
func Beside(bytes func() uint64) Option { return func(e *entry) { e.beside = bytes } }

// Main runs a program; it does not return. build makes the containers.
func Main(name string, build func(p *Program)) {
	debug.SetGCPercent(-1)
	p := &Program{Name: name, passes: 2}
	flag.Float64Var(&p.Scale, "scale", 1, "multiplies the number of entries")
	flag.BoolVar(&p.bare, "bare", false, "build without a collection before and after each container; measured_bytes is then 0")
	flag.Parse()
	// What the collector sets up once (workers, buffers) is not to be charged to a container.
	warmUp()
	build(p)
	p.publish()
	p.serve()
}

// N is a number of entries, scaled.
func (p *Program) N(n int) int {
	scaled := int(float64(n) * p.Scale)
	if scaled < 1 {
		return 1
	}
	return scaled
}

// Passes sets how many collections precede a document; finalizers need three.
func (p *Program) Passes(n int) { p.passes = n }

// Add builds a container and has account fill in what is known of it; account runs again after each
// step of growth. The bytes by which the live heap grew are measured around build.
func (p *Program) Add(name, kind string, build func(), account func(c *Container), options ...Option) {
	e := &entry{account: account}
	e.Name, e.Kind, e.Holder = name, kind, name
	for _, option := range options {
		option(e)
	}
	before, _ := runtime.ThreadCreateProfile(nil)
	e.Measured = p.measure(build)
	after, _ := runtime.ThreadCreateProfile(nil)
	e.noise = noise + int64(after-before)*threadBytes
	p.containers = append(p.containers, e)
}

// Tell adds a container that was built together with another; it is not measured.
func (p *Program) Tell(name, kind string, account func(c *Container)) {
	e := &entry{account: account}
	e.Name, e.Kind, e.Holder = name, kind, name
	p.containers = append(p.containers, e)
}

// Grow registers what a "grow" command does to the container of this name.
func (p *Program) Grow(name string, do func()) { p.growth = append(p.growth, step{name, do}) }

// Late runs do before the last collection that precedes each document, Last after it.
func (p *Program) Late(do func()) { p.late = append(p.late, do) }

// Last runs do after the last collection that precedes each document. What do allocates must stay
// reachable, or it is counted as live.
func (p *Program) Last(do func()) { p.last = append(p.last, do) }

func (p *Program) measure(build func()) int64 {
	if p.bare {
		build()
		return 0
	}
	before := live()
	build()
	return live() - before
}

// warmUp lets the runtime allocate what it needs once: threads, workers of the collector.
func warmUp() {
	var started, ended sync.WaitGroup
	threads := runtime.GOMAXPROCS(0) + 8
	started.Add(threads)
	ended.Add(threads)
	for i := 0; i < threads; i++ {
		go func() {
			defer ended.Done()
			// All hold their thread until all have one.
			runtime.LockOSThread()
			started.Done()
			started.Wait()
			runtime.UnlockOSThread()
		}()
	}
	ended.Wait()
	// The linker leaves the heap profile out of a program that never asks for it; a service with
	// pprof has it.
	_, _ = runtime.MemProfile(nil, true)
	for i := 0; i < 4; i++ {
		runtime.GC()
		runtime.Gosched()
	}
	runtime.ReadMemStats(&memStats)
}

// live is the number of bytes of reachable objects.
func live() int64 {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&memStats)
	return int64(memStats.HeapAlloc)
}

// grow does one step for each container that has one.
func (p *Program) grow() {
	p.steps++
	for _, s := range p.growth {
		delta := p.measure(s.do)
		for _, e := range p.containers {
			if e.Name == s.name && e.Measured != 0 {
				e.Measured += delta
			}
		}
	}
}

// serve executes commands; the buffers are not on the heap.
func (p *Program) serve() {
	for {
		command, more := readLine()
		switch {
		case !more || command == "exit":
			os.Exit(0)
		case command == "grow":
			p.grow()
			p.publish()
		default:
			fmt.Fprintf(os.Stderr, "%s: unknown command %q; expected grow or exit\n", p.Name, command)
		}
	}
}

var input [256]byte

func readLine() (string, bool) {
	n := 0
	for n < len(input) {
		got, err := syscall.Read(0, input[n:n+1])
		if err == syscall.EINTR || err == syscall.EAGAIN {
			continue
		}
		if err != nil || got == 0 {
			return "", false
		}
		if input[n] == '\n' {
			break
		}
		n++
	}
	return strings.TrimSpace(string(input[:n])), true
}
