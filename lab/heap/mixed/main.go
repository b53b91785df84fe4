// Mixed: one leak among innocent caches of the same kinds, in nested structs and packages.
package main

import (
	"container/list"
	"context"
	"strconv"
	"sync"
	"time"

	"oomph.example/lab/heap/roots/registry"
	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/sizeclass"
)

// LRU is a cache of fixed size.
type LRU struct {
	mu    sync.Mutex
	order *list.List
	byKey map[string]*list.Element
	limit int
}

type page struct {
	key  string
	body []byte
}

func (l *LRU) put(key string, body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.order.Len() >= l.limit {
		oldest := l.order.Back()
		delete(l.byKey, l.order.Remove(oldest).(*page).key)
	}
	l.byKey[key] = l.order.PushFront(&page{key, body})
}

// Server is a service's state.
type Server struct {
	pages    *LRU
	settings map[string]string
	routes   []route
	sessions struct {
		mu    sync.Mutex
		byKey map[string]*session
	}
	audit []string
	jobs  chan func()
	ctx   context.Context
	stop  context.CancelFunc
}

type route struct {
	pattern string
	handler func(arg string) string
}

type session struct {
	user    string
	created time.Time
	history [20]string
}

var (
	server  *Server
	buffers = sync.Pool{New: func() any { return new([4096]byte) }}
	names   [256]string
	done    int
)

func main() { heapspec.Main("mixed", build) }

func build(p *heapspec.Program) {
	server = &Server{settings: map[string]string{}, jobs: make(chan func(), 128)}
	server.ctx, server.stop = context.WithCancel(context.Background())
	server.pages = &LRU{order: list.New(), byKey: map[string]*list.Element{}, limit: 2_000}
	server.sessions.byKey = map[string]*session{}
	innocent(p)
	p.Add("main.server.sessions.byKey", "map", func() { open(0, p.N(5_000)) }, func(c *heapspec.Container) {
		c.MapOf(server.sessions.byKey)
		c.Global(&server)
		for k, s := range server.sessions.byKey {
			c.KeyBytes += uint64(len(k))
			c.ValueBytes += uint64(sizeclass.TypeOf[session]().Size()) + uint64(len(s.user))
			c.Retained += sizeclass.Str(len(k)) + sizeclass.Of[session]() + sizeclass.Str(len(s.user))
		}
		c.Rule("unbounded-map")
	})
	p.Grow("main.server.sessions.byKey", func() { open(len(server.sessions.byKey), p.N(2_000)) })
	for i := 0; i < 8; i++ {
		go worker(server.ctx, server.jobs)
	}
	heapspec.Blocked(8)
}

func innocent(p *heapspec.Program) {
	p.Add("main.server.pages.byKey", "map", func() {
		for i := 0; i < 5_000; i++ {
			server.pages.put(heapspec.Prefixed("/catalogue/pages/", i), make([]byte, 1024+i%2048))
		}
	}, func(c *heapspec.Container) {
		c.MapOf(server.pages.byKey)
		c.Global(&server)
		c.Approx() // the list beside the map holds the same pages
	})
	p.Add("main.server.settings", "map", func() {
		for i := 0; i < 300; i++ {
			server.settings["setting.number.long."+strconv.Itoa(i)] = strconv.Itoa(i % 10)
		}
	}, func(c *heapspec.Container) {
		c.MapOf(server.settings)
		c.Global(&server)
		for k := range server.settings {
			c.KeyBytes += uint64(len(k))
			c.Retained += sizeclass.Str(len(k))
		}
	})
	p.Add("main.server.routes", "slice", func() {
		for i := 0; i < 120; i++ {
			prefix := heapspec.Prefixed("/api/v1/resources/", i)
			server.routes = append(server.routes, route{prefix, func(arg string) string { return prefix + arg }})
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(server.routes, cap(server.routes))
		c.Global(&server)
		for _, r := range server.routes {
			c.Retained += sizeclass.Str(len(r.pattern)) + sizeclass.Bytes(24, true)
		}
	})
	p.Add("main.server.audit", "slice", func() {
		for i := 0; i < 2_000; i++ {
			server.audit = append(server.audit, heapspec.Prefixed("a line of the audit log, number ", i))
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(server.audit, cap(server.audit))
		c.Global(&server)
		for _, line := range server.audit {
			c.ValueBytes += uint64(len(line))
			c.Retained += sizeclass.Str(len(line))
		}
	})
	p.Tell("oomph.example/lab/heap/roots/registry.Plugins", "map", func(c *heapspec.Container) {
		c.MapOf(registry.Plugins)
		c.Global(&registry.Plugins)
	})
	for i := 0; i < 40; i++ {
		registry.Add(heapspec.Prefixed("plugin-with-number-", i))
		buffers.Put(new([4096]byte))
	}
	for i := range names {
		names[i] = "name " + strconv.Itoa(i)
	}
}

func open(from, n int) {
	var r heapspec.Rand = heapspec.Rand(from)
	for i := 0; i < n; i++ {
		s := &session{user: heapspec.Prefixed("user-of-session-", i), created: time.Unix(int64(i), 0)}
		server.sessions.byKey[r.UUID()] = s
	}
}

func worker(ctx context.Context, jobs <-chan func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case job := <-jobs:
			job()
			done++
		}
	}
}
