// Package shop is the service behind three-leaks and its healthy twin: carts, an audit trail, calls
// to partners.
package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
	"oomph.example/lab/three-leaks/carts"
	"oomph.example/lab/three-leaks/hooks"
	"oomph.example/lab/three-leaks/trail"
)

// Limits of a healthy shop; zero for one that leaks.
type Limits struct {
	Carts   uint64
	Actions int
	Call    time.Duration
}

// Shop is a running service.
type Shop struct {
	limits Limits
	max    uint64
	carts  *carts.Store
	trail  *trail.Trail
	calls  *hooks.Notifier
	visits atomic.Uint64
}

// Instance is the one of the process: the path that a reader of its heap finds.
var Instance *Shop

// Leak is what one container holds.
type Leak struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	Entries   uint64 `json:"entries"`
	HeldBytes uint64 `json:"held_bytes"`
}

// Setup makes the Instance and its handlers: GET /leaks lists what each container holds.
func Setup(env *service.Env, limits Limits) *Shop {
	s := &Shop{limits: limits, max: env.MaxBytes, carts: carts.NewStore(), trail: trail.New(limits.Actions), calls: hooks.New(limits.Call)}
	Instance = s
	env.Mux.HandleFunc("/visit", s.visit)
	env.Mux.HandleFunc("/leaks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.Leaks())
	})
	env.Request = func(ctx context.Context, _ uint64) error { return env.Get(ctx, "/visit") }
	env.Counts = s.counts
	return s
}

// visit opens a cart, notes three actions, and calls a partner for one visit in sixteen.
func (s *Shop) visit(w http.ResponseWriter, _ *http.Request) {
	n := s.visits.Add(1)
	w.WriteHeader(http.StatusNoContent)
	if s.full() {
		return
	}
	id := visitName(n)
	s.carts.Open(id).Items[0] = n
	if limit := s.limits.Carts; limit > 0 && n > limit {
		s.carts.Close(visitName(n - limit))
	}
	s.trail.Add(id, n)
	s.trail.Add(id, n+1)
	if n%16 != 0 {
		return
	}
	s.calls.Call(n)
}

func visitName(n uint64) string { return fmt.Sprintf("visit-%016x", n*0x9e3779b97f4a7c15) }

func (s *Shop) full() bool {
	entries, _ := s.carts.Stats()
	return entries*truth.SizeOf[carts.Cart]() >= s.max
}

// Leaks is what each container holds, the largest first.
func (s *Shop) Leaks() []Leak {
	const list = "oomph.example/lab/three-leaks/shop.Instance."
	entries, keyBytes := s.carts.Stats()
	var keys uint64
	if entries > 0 {
		keys = entries * truth.ObjectBytes(keyBytes/entries, false)
	}
	actions, calls := s.trail.Len(), s.calls.Waiting()
	return []Leak{
		{list + "carts.byVisit", "map", entries,
			entries*truth.SizeOf[carts.Cart]() + keys + truth.MapBytes(entries, 16, 8)},
		// A list element takes 48 bytes. The visits' names are the carts' keys.
		{list + "trail.log", "list", actions, actions * (truth.SizeOf[trail.Entry]() + 48)},
		{"goroutine oomph.example/lab/three-leaks/hooks.(*Notifier).await", "goroutine", calls,
			calls * truth.ObjectBytes(hooks.PayloadBytes, false)},
	}
}

func (s *Shop) counts() truth.Counts {
	leaks := s.Leaks()
	c := truth.Counts{Phase: truth.Steady, Capped: s.full(), Goroutines: leaks[2].Entries}
	for _, l := range leaks {
		c.HeldBytes += l.HeldBytes
	}
	c.Entries = leaks[0].Entries
	c.CulpritBytes = c.Entries * truth.SizeOf[carts.Cart]()
	c.StructureBytes = truth.MapBytes(c.Entries, 16, 8)
	c.AllocatedBytes = s.visits.Load() * truth.SizeOf[carts.Cart]()
	if n := s.limits.Carts; n > 0 && s.visits.Load() < n {
		c.Phase = truth.Warming
	}
	return c
}
