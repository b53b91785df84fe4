// Package growth is the frame of the specimens of lab/watch: services whose memory grows until the kernel kills them,
// or grows and stays within its limit. It owns what a seed varies, the plan by which items arrive, garbage that
// serving a request makes, and a line of truth each second on stdout. Refuses to hold anything itself.
package growth

import (
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"oomph.example/lab/internal/service"
)

// defaultLimit is that of the control group when OOMPH_LAB_LIMIT does not say otherwise.
const defaultLimit = 256 << 20

var (
	seed = flag.Uint64("seed", 1, "varies sizes, rates, phases and noise")
	lock = flag.Bool("lock", true, "lock the program's file in memory, so that nothing is left to reclaim at the limit")
)

// Phases of growth, as the lines of truth name them.
const (
	// Calm: nothing has begun to grow yet.
	Calm = "calm"
	// Growing: what is held grows, to the limit or to the size that it is to have.
	Growing = "growing"
	// Level: what is held stays, but for what comes and goes.
	Level = "level"
)

// Run is one run of a specimen of growth.
type Run struct {
	*service.Env
	// Limit of the control group in bytes; sizes are shares of it.
	Limit uint64

	began   time.Time
	phase   atomic.Value
	garbage int
}

// Main runs a specimen that answers rate requests a second; it does not return.
func Main(name string, rate float64, setup func(run *Run)) {
	service.Main(service.Spec{Name: name, Rate: rate, Workers: 8, Setup: func(env *service.Env) {
		run := &Run{Env: env, Limit: Limit(), began: time.Now()}
		run.SetPhase(Growing)
		if *lock {
			lockFiles()
		}
		// Bytes a second of garbage that serving makes, beside that of the noise.
		run.garbage = int(run.Between("garbage", 6, 14) * (1 << 20) / rate)
		setup(run)
		go run.tell()
	}})
}

// Limit is what OOMPH_LAB_LIMIT says, in bytes.
func Limit() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("OOMPH_LAB_LIMIT"), 10, 64); err == nil && n > 0 {
		return n
	}
	return defaultLimit
}

// Between is a number from low to high that depends on the seed and on what it is for, on nothing else.
func (r *Run) Between(what string, low, high float64) float64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d", what, *seed)
	// The upper bits of a product with an odd constant are spread evenly, those of the hash are not.
	return low + (high-low)*float64((h.Sum64()*0x9e3779b97f4a7c15)>>11)/(1<<53)
}

// Size is a size in bytes that depends on the seed: 40 % less or more than about.
func (r *Run) Size(what string, about int) int {
	return int(r.Between(what, 0.6*float64(about), 1.4*float64(about)))
}

// Share is so much of the limit, in bytes.
func (r *Run) Share(of float64) float64 { return of * float64(r.Limit) }

// Seconds since the start.
func (r *Run) Seconds() float64 { return time.Since(r.began).Seconds() }

// SetPhase says what the lines of truth call the phase from now on.
func (r *Run) SetPhase(phase string) { r.phase.Store(phase) }

// Phase is what was set last.
func (r *Run) Phase() string { return r.phase.Load().(string) }

// line is what a second of truth says.
type line struct {
	AtMillis     int64  `json:"at_ms"`
	Phase        string `json:"phase"`
	HeldBytes    uint64 `json:"held_bytes"`
	CulpritBytes uint64 `json:"culprit_bytes"`
	OffHeapBytes uint64 `json:"off_heap_bytes"`
	Entries      uint64 `json:"entries"`
	Goroutines   int    `json:"goroutines"`
}

// tell prints a line a second, for as long as the kernel lets it.
func (r *Run) tell() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	out := json.NewEncoder(os.Stdout)
	for {
		select {
		case <-r.Ctx.Done():
			return
		case <-ticker.C:
			c := r.Counts()
			_ = out.Encode(line{
				AtMillis: time.Now().UnixMilli(), Phase: r.Phase(), HeldBytes: c.HeldBytes, CulpritBytes: c.CulpritBytes,
				OffHeapBytes: c.OffHeapBytes, Entries: c.Entries, Goroutines: runtime.NumGoroutine(),
			})
		}
	}
}
