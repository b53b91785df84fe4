// Package truth is what a specimen says of itself: exact counts kept by the program, against which
// an outside diagnosis is judged. Nothing here is read from a profile.
package truth

import (
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// Phases of a specimen.
const (
	// Warming: what is held still changes by design (a cache fills); not a state to judge.
	Warming = "warming"
	// Steady: the behaviour the specimen stands for.
	Steady = "steady"
)

// Counts is the specimen's own account, each exact unless said otherwise.
type Counts struct {
	// Entries held now by the container in question (sessions, records, list elements).
	Entries uint64 `json:"entries"`
	// HeldBytes: heap bytes held now by the culprit: size-class-rounded objects and structure.
	HeldBytes uint64 `json:"held_bytes"`
	// CulpritBytes: of HeldBytes, what the culprit line itself allocated and is still held.
	CulpritBytes uint64 `json:"culprit_bytes"`
	// StructureBytes: of HeldBytes, the container's own memory (map tables, slice array); computed
	// from its length and layout rules where the program cannot see it.
	StructureBytes uint64 `json:"structure_bytes"`
	// AllocatedBytes: all bytes the culprit line has allocated so far, dead ones included.
	AllocatedBytes uint64 `json:"allocated_bytes"`
	// Goroutines leaked, or parked by design.
	Goroutines uint64 `json:"goroutines"`
	// OffHeapBytes mapped outside the Go heap.
	OffHeapBytes uint64 `json:"off_heap_bytes"`
	// Capped: the specimen stopped growing at -max-mib.
	Capped bool `json:"capped"`
	// Phase is Warming or Steady.
	Phase string `json:"phase"`
	// Measures: what else the specimen measures of its fault, by name; the unit ends the name.
	Measures map[string]float64 `json:"measures,omitempty"`
}

// Site is a line of the specimen's source.
type Site struct {
	Role     string `json:"role"`
	Function string `json:"function"`
	File     string `json:"file"`
	Line     int    `json:"line"`
}

// Locate finds the line of source that carries marker (a comment at its end, to the end of the
// line). Function and file are the runtime's own names for fn; 0 lines mean "marker not found".
func Locate(role string, fn any, source, marker string) Site {
	site := Site{Role: role}
	if f := runtime.FuncForPC(reflect.ValueOf(fn).Pointer()); f != nil {
		site.Function = strings.TrimSuffix(f.Name(), "-fm")
		site.File, _ = f.FileLine(f.Entry())
	}
	for i, line := range strings.Split(source, "\n") {
		if strings.HasSuffix(strings.TrimRight(line, " \t\r"), marker) {
			site.Line = i + 1
			break
		}
	}
	return site
}

// Report is the answer of GET /truth.
type Report struct {
	Specimen      string  `json:"specimen"`
	PID           int     `json:"pid"`
	GoVersion     string  `json:"go_version"`
	UptimeSeconds float64 `json:"uptime_seconds"`
	// Requests and Failed count the load generator's own requests.
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"`
	// How long the load generator's last requests took.
	RequestP50Millis float64 `json:"request_p50_ms"`
	RequestP99Millis float64 `json:"request_p99_ms"`
	RequestMaxMillis float64 `json:"request_max_ms"`
	Counts
	// Sites: the culprit first; empty for a specimen without one.
	Sites []Site `json:"sites"`
	// With ?gc=1: after a full collection, what the runtime counts.
	HeapAlloc  uint64 `json:"heap_alloc,omitempty"`
	StackInuse uint64 `json:"stack_inuse,omitempty"`
	NumGC      uint32 `json:"num_gc,omitempty"`
}

// Source makes the parts of a report that only the specimen knows.
type Source struct {
	Specimen string
	Counts   func() Counts
	Sites    []Site
	Load     func() (done, failed uint64)
	// Latency: median, 99th percentile and longest of the last requests, in milliseconds.
	Latency func() (p50, p99, longest float64)

	started time.Time
	served  atomic.Uint64
}

// Start sets the beginning of the uptime.
func (s *Source) Start() { s.started = time.Now() }

// ServeHTTP answers GET /truth; with ?gc=1 it collects garbage first and adds the runtime's counts,
// taken before the specimen's own so that growth in between is below one request's.
func (s *Source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.served.Add(1)
	rep := Report{
		Specimen:  s.Specimen,
		PID:       os.Getpid(),
		GoVersion: runtime.Version(),
		Sites:     s.Sites,
	}
	if rep.Sites == nil {
		rep.Sites = []Site{}
	}
	if r.URL.Query().Get("gc") == "1" {
		var ms runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&ms)
		rep.HeapAlloc, rep.StackInuse, rep.NumGC = ms.HeapAlloc, ms.StackInuse, ms.NumGC
	}
	rep.Counts = s.Counts()
	rep.UptimeSeconds = time.Since(s.started).Seconds()
	if s.Load != nil {
		rep.Requests, rep.Failed = s.Load()
	}
	if s.Latency != nil {
		rep.RequestP50Millis, rep.RequestP99Millis, rep.RequestMaxMillis = s.Latency()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(rep)
}
