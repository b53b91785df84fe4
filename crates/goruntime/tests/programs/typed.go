// Holds values of known types in variables, frames and closures, says where they are, and waits.
package main

import (
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"unsafe"
)

func init() { runtime.MemProfileRate = 1 }

type node struct {
	next *node
	id   int
	name string
}

type embedded struct{ left, right *node }

// Its first field is a struct with methods of its own.
type outer struct {
	embedded
	more [3]*node
	n    int
}

//go:noinline
func (e *embedded) touch() int {
	if e.left == nil {
		return 0
	}
	return e.left.id
}

type big struct {
	nodes [80]*node
	text  string
}

type flat struct{ a, b, c, d, e int64 }

type service struct {
	cache map[string]*node
	list  []*flat
	stop  chan *node
	run   func() int
}

var (
	theNode    *node
	theOuter   *outer
	theBig     *big
	theFlat    *flat
	theService *service
	theMap     map[int]*flat
	theSlice   []*node
	theChan    chan *big
	theAny     any
	theFunc    func(int) int
	bigs       []*big
	said       strings.Builder
	escaped    unsafe.Pointer
)

//go:noinline
func newService(n int) *service {
	s := &service{cache: map[string]*node{}, stop: make(chan *node, 4)}
	for i := 0; i < n; i++ {
		s.cache[fmt.Sprint(i)] = &node{id: i}
		s.list = append(s.list, &flat{a: int64(i)})
	}
	s.run = func() int { return len(s.cache) }
	return s
}

//go:noinline
func (s *service) wait(ready chan bool, own *outer) {
	say(own)
	ready <- true
	<-s.stop
	runtime.KeepAlive(own)
}

func say[T any](p *T) {
	// It lives in the heap.
	escaped = unsafe.Pointer(p)
	escaped = nil
	fmt.Fprintf(&said, "%x=%s ", uintptr(unsafe.Pointer(p)), reflect.TypeOf(p).Elem())
}

func (s *service) serve(ready chan bool) { s.wait(ready, &outer{n: 5}) }

//go:noinline
func counter(step *node, by *flat) func(int) int {
	sum := 0
	say(step)
	say(by)
	return func(n int) int {
		sum += n + step.id + int(by.a)
		return sum
	}
}

func main() {
	theNode = &node{id: 1, next: &node{id: 2}}
	theOuter = &outer{embedded: embedded{left: theNode}}
	theOuter.touch()
	theBig = &big{text: "x"}
	theFlat = &flat{a: 7}
	theService = newService(200)
	theMap = make(map[int]*flat)
	for i := 0; i < 100; i++ {
		theMap[i] = &flat{b: int64(i)}
		bigs = append(bigs, &big{text: fmt.Sprint(i)})
	}
	theSlice = append(theSlice, &node{}, &node{id: 3})
	theChan = make(chan *big, 2)
	theChan <- &big{}
	theAny = &outer{n: 9}
	theFunc = counter(&node{id: 4}, &flat{a: 3})
	theFunc(1)
	say(theNode)
	say(theNode.next)
	say(theOuter)
	say(theBig)
	say(theFlat)
	say(theService)
	say(theService.list[3])
	say(theService.cache["7"])
	say(theMap[5])
	say(theSlice[1])
	say(theAny.(*outer))
	say(bigs[10])
	ready := make(chan bool)
	go theService.serve(ready)
	<-ready
	local := newService(50)
	say(local)
	say(local.list[1])
	runtime.GC()
	runtime.GC()
	fmt.Println(said.String())
	_, _ = os.Stdin.Read(make([]byte, 1))
	runtime.KeepAlive(local)
	fmt.Println(theNode, theOuter, theBig, theFlat, theService, theMap, theSlice, theChan, theAny, theFunc, bigs)
}
