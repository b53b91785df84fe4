package heapspec

import (
	"encoding/json"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"oomph.example/lab/internal/mapshape"
	"oomph.example/lab/internal/sizeclass"
)

// Container is what a program knows of one of its containers. Sizes are bytes.
type Container struct {
	// Name is the path from a global or a goroutine: main.cache, main.app.cache.users,
	// goroutine main.holdMap/local.
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Type of the container as package reflect prints it.
	Type string `json:"type"`
	// Holder is the global variable's or goroutine's path when it is not Name.
	Holder string `json:"holder"`
	// Address of the container's main object: map header, backing array, channel, first node.
	Address uint64 `json:"address"`
	// Root is the address of the global variable the path begins with; 0 for a goroutine.
	Root     uint64 `json:"root"`
	Entries  uint64 `json:"entries"`
	Capacity uint64 `json:"capacity"`
	KeySize  uint64 `json:"key_size"`
	ElemSize uint64 `json:"elem_size"`
	// KeyBytes and ValueBytes: what keys and values point to, as requested (not rounded).
	KeyBytes   uint64 `json:"key_bytes"`
	ValueBytes uint64 `json:"value_bytes"`
	// StructBytes: the container's own objects, rounded to size classes.
	StructBytes uint64 `json:"struct_bytes"`
	// Retained: all that would be free without the main object, rounded to size classes.
	Retained uint64 `json:"retained_bytes"`
	// RetainedApprox: Retained was measured, not computed, or another holder makes it vague.
	RetainedApprox bool `json:"retained_approx"`
	// Measured: growth of the live heap around the building; 0 when not measured.
	Measured int64 `json:"measured_bytes"`
	// Beside: of Measured, what the container does not retain.
	Beside uint64 `json:"beside_bytes"`
	// Mismatch of Retained+Beside against Measured by more than 1 % and more than noise.
	Mismatch bool `json:"mismatch"`
	// Depth of the longest chain of pointers through it, where that is the point.
	Depth uint64 `json:"depth"`
	// Live: of Entries' bytes, what the program can still reach by its own means (a small slice of
	// a large array: the slice's bytes).
	Live uint64 `json:"live_bytes"`
	// Receivers and Senders: goroutines that wait on a channel.
	Receivers uint64 `json:"receivers"`
	Senders   uint64 `json:"senders"`
	// Deleted: entries without a value that a sync.Map keeps.
	Deleted uint64 `json:"deleted"`
	// Victims: of the entries of a sync.Pool, those of before the last collection.
	Victims uint64 `json:"victims"`
	// Rules that hold for it, in kebab-case; none for an innocent one.
	Rules []string        `json:"rules"`
	Map   *mapshape.Shape `json:"map"`
}

// Group is goroutines with one creation function and one wait reason.
type Group struct {
	// CreatedBy is the function with the go statement; empty for main and for the runtime's own
	// goroutine that runs finalizers, which is in the dump while it runs one of the program's.
	CreatedBy string `json:"created_by"`
	// Function is the outermost function of the goroutine.
	Function   string `json:"function"`
	WaitReason string `json:"wait_reason"`
	Count      uint64 `json:"count"`
}

type document struct {
	Program       string       `json:"program"`
	GoVersion     string       `json:"go_version"`
	Arch          string       `json:"arch"`
	PID           int          `json:"pid"`
	Procs         int          `json:"gomaxprocs"`
	Step          int          `json:"step"`
	Scale         float64      `json:"scale"`
	NumGoroutine  int          `json:"num_goroutine"`
	Goroutines    []Group      `json:"goroutines"`
	AllGoroutines bool         `json:"all_goroutines"`
	Truth         []*Container `json:"truth"`
}

// Rule notes that a rule holds for the container.
func (c *Container) Rule(names ...string) { c.Rules = append(c.Rules, names...) }

// MapOf fills in all of a map that its header tells: key and value bytes are up to the caller, and
// Retained is that of the structure.
func (c *Container) MapOf(m any) {
	v := reflect.ValueOf(m)
	shape := mapshape.Of(m)
	c.Type = v.Type().String()
	c.Address = uint64(mapshape.Address(m))
	c.Entries = uint64(v.Len())
	c.Capacity = shape.Slots
	c.KeySize = uint64(v.Type().Key().Size())
	c.ElemSize = uint64(v.Type().Elem().Size())
	c.StructBytes = shape.Bytes
	c.Retained = shape.Bytes
	c.Map = &shape
}

// SliceOf fills in what a slice's header tells; whole is the number of elements of its array.
func (c *Container) SliceOf(s any, whole int) {
	v := reflect.ValueOf(s)
	elem := v.Type().Elem()
	c.Type = v.Type().String()
	c.Address = uint64(v.Pointer())
	c.Entries = uint64(v.Len())
	c.Capacity = uint64(v.Cap())
	c.ElemSize = uint64(elem.Size())
	c.StructBytes = sizeclass.Bytes(uint64(whole)*uint64(elem.Size()), sizeclass.HasPointers(elem))
	c.Retained = c.StructBytes
	c.Live = c.Entries * c.ElemSize
}

// Is sets the type and the address of a pointer-shaped container.
func (c *Container) Is(pointer any) {
	v := reflect.ValueOf(pointer)
	c.Type = v.Type().String()
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Chan, reflect.Slice, reflect.UnsafePointer:
		c.Address = uint64(v.Pointer())
	}
}

// Global sets the address of the global variable that the path begins with.
func (c *Container) Global(variable any) { c.Root = uint64(reflect.ValueOf(variable).Pointer()) }

// Approx takes the measured bytes for the truth.
func (c *Container) Approx() {
	c.RetainedApprox = true
	if c.Measured > 0 {
		c.Retained = uint64(c.Measured)
	}
}

// noise is what the runtime allocates for itself now and then (wait records, a tiny block).
const noise = 256

// threadBytes is what a new thread takes at most: an m and its two g.
const threadBytes = 6 << 10

// account brings the containers up to date.
func (p *Program) account() []*Container {
	all := make([]*Container, 0, len(p.containers))
	for _, e := range p.containers {
		e.Container = Container{Name: e.Name, Kind: e.Kind, Holder: e.Name, Measured: e.Measured, Rules: []string{}}
		e.account(&e.Container)
		if e.beside != nil {
			e.Beside = e.beside()
		}
		if e.Measured != 0 && !e.RetainedApprox {
			off := int64(e.Retained+e.Beside) - e.Measured
			if off < 0 {
				off = -off
			}
			e.Mismatch = off*100 > e.Measured && off > e.noise
		}
		all = append(all, &e.Container)
	}
	return all
}

var (
	memStats runtime.MemStats
	scratch  []byte
	stacks   []byte
)

// The document and the dump of goroutines are written outside the heap.
func mapped(size int) []byte {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		os.Stderr.WriteString("heapspec: mmap: " + err.Error() + "\n")
		os.Exit(1)
	}
	return b
}

const (
	scratchBytes = 8 << 20
	stacksBytes  = 256 << 20
)

// publish writes a document and READY. After the counts are taken nothing is allocated.
func (p *Program) publish() {
	if scratch == nil {
		scratch = mapped(scratchBytes)
	}
	if stacks == nil {
		stacks = mapped(stacksBytes)
	}
	at := p.render()
	for i := 0; i < p.passes-1; i++ {
		runtime.GC()
		runtime.Gosched()
	}
	for _, do := range p.late {
		do()
	}
	runtime.GC()
	for _, do := range p.last {
		do()
	}
	runtime.ReadMemStats(&memStats)
	out := scratch[:at]
	out = append(out, `,"memstats":{`...)
	for i, f := range counters {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = append(out, f.name...)
		out = append(out, `":`...)
		out = strconv.AppendUint(out, *f.value, 10)
	}
	out = append(out, "}}\nREADY\n"...)
	for len(out) > 0 {
		n, err := syscall.Write(1, out)
		if err == syscall.EINTR || err == syscall.EAGAIN {
			continue
		}
		if err != nil {
			os.Exit(1)
		}
		out = out[n:]
	}
}

var counters = [...]struct {
	name  string
	value *uint64
}{
	{"heap_objects", &memStats.HeapObjects}, {"heap_alloc", &memStats.HeapAlloc},
	{"heap_inuse", &memStats.HeapInuse}, {"heap_idle", &memStats.HeapIdle},
	{"heap_released", &memStats.HeapReleased}, {"heap_sys", &memStats.HeapSys},
	{"stack_inuse", &memStats.StackInuse}, {"total_alloc", &memStats.TotalAlloc},
	{"mallocs", &memStats.Mallocs}, {"frees", &memStats.Frees}, {"sys", &memStats.Sys},
}

// render puts all but the runtime's counts into scratch and returns their length. Its garbage goes
// with the collections that follow.
func (p *Program) render() int {
	d := document{
		Program: p.Name, GoVersion: runtime.Version(), Arch: runtime.GOARCH, PID: os.Getpid(),
		Procs: runtime.GOMAXPROCS(0), Step: p.steps, Scale: p.Scale, NumGoroutine: runtime.NumGoroutine(),
	}
	n := runtime.Stack(stacks, true)
	d.AllGoroutines = n < len(stacks)
	d.Goroutines = groups(unsafe.String(&stacks[0], n))
	d.Truth = p.account()
	text, err := json.Marshal(&d)
	if err != nil || len(text)+4096 > len(scratch) {
		os.Stderr.WriteString("heapspec: the document does not fit\n")
		os.Exit(1)
	}
	return copy(scratch, text[:len(text)-1])
}
