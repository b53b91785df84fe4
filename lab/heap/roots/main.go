// Roots: the same kind of map held in each way that a program holds memory.
package main

import (
	"oomph.example/lab/heap/roots/registry"
	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/mapshape"
	"oomph.example/lab/internal/sizeclass"
)

// User is what the maps hold.
type User struct {
	id   uint64
	body [100]byte
}

// Cache is a field of App.
type Cache struct {
	users map[string]*User
	limit int
}

// App is a service's state.
type App struct {
	name  string
	cache *Cache
	inner struct {
		tables [3]map[string]*User
	}
}

type store interface{ get(key string) *User }

type memory struct{ byKey map[string]*User }

func (m *memory) get(key string) *User { return m.byKey[key] }

type values map[string]*User

func (v values) get(key string) *User { return v[key] }

var (
	direct   map[string]*User
	app      *App
	static   App
	asStore  store
	inIface  store
	lookup   func(key string) *User
	byTenant [4]map[string]*User
	list     []map[string]*User
	double   **App
	anything any
	// held gives access to the maps that only closures and goroutines refer to.
	captured uintptr
	shape    mapshape.Shape
	n        int
)

func main() { heapspec.Main("roots", build) }

func fill(prefix string) map[string]*User {
	m := map[string]*User{}
	for i := 0; i < n; i++ {
		m[heapspec.Prefixed(prefix, i)] = &User{id: uint64(i)}
	}
	return m
}

func of(c *heapspec.Container, m map[string]*User, global any) {
	c.MapOf(m)
	c.Global(global)
	for k := range m {
		c.KeyBytes += uint64(len(k))
		c.ValueBytes += 112
		c.Retained += sizeclass.Str(len(k)) + sizeclass.Of[User]()
	}
}

func build(p *heapspec.Program) {
	n = p.N(1_500)
	variables(p)
	interfaces(p)
	elsewhere(p)
}

func variables(p *heapspec.Program) {
	p.Add("main.direct", "map", func() { direct = fill("key-of-direct-user-") },
		func(c *heapspec.Container) { of(c, direct, &direct) })
	p.Add("main.app.cache.users", "map", func() {
		app = &App{name: "service", cache: &Cache{limit: 7, users: fill("key-of-cached-user-")}}
	}, func(c *heapspec.Container) { of(c, app.cache.users, &app) },
		heapspec.Beside(func() uint64 { return sizeclass.Of[App]() + sizeclass.Of[Cache]() }))
	p.Grow("main.app.cache.users", func() {
		for i := n; i < n+500; i++ {
			app.cache.users[heapspec.Prefixed("key-of-further-user-", len(app.cache.users))] = &User{id: uint64(i)}
		}
	})
	p.Add("main.static.inner.tables[1]", "map", func() { static.inner.tables[1] = fill("key-of-table-user-") },
		func(c *heapspec.Container) { of(c, static.inner.tables[1], &static) })
	p.Add("main.byTenant[2]", "map", func() { byTenant[2] = fill("key-of-tenant-user-") },
		func(c *heapspec.Container) { of(c, byTenant[2], &byTenant) })
	p.Add("main.list[0]", "map", func() { list = append(list, fill("key-of-listed-user-")) },
		func(c *heapspec.Container) { of(c, list[0], &list) },
		heapspec.Beside(func() uint64 { return sizeclass.Array[map[string]*User](cap(list)) }))
	p.Add("main.double.cache.users", "map", func() {
		inner := &App{cache: &Cache{users: fill("key-of-double-user-")}}
		double = &inner
	}, func(c *heapspec.Container) { of(c, (*double).cache.users, &double) },
		heapspec.Beside(func() uint64 {
			return sizeclass.Of[App]() + sizeclass.Of[Cache]() + sizeclass.Of[*App]()
		}))
}

func interfaces(p *heapspec.Program) {
	p.Add("main.asStore.byKey", "map", func() { asStore = &memory{byKey: fill("key-of-stored-user-")} },
		func(c *heapspec.Container) { of(c, asStore.(*memory).byKey, &asStore) },
		heapspec.Beside(sizeclass.Of[memory]))
	p.Add("main.inIface", "map", func() { inIface = values(fill("key-of-iface-user-")) },
		func(c *heapspec.Container) {
			of(c, inIface.(values), &inIface)
			c.Type = "main.values"
		})
	p.Add("main.anything", "map", func() { anything = fill("key-of-any-user-number-") },
		func(c *heapspec.Container) { of(c, anything.(map[string]*User), &anything) })
}

func elsewhere(p *heapspec.Program) {
	p.Add("main.lookup/users", "map", func() {
		users := fill("key-of-captured-user-")
		captured, shape = mapshape.Address(users), mapshape.Of(users)
		lookup = func(key string) *User { return users[key] }
	}, func(c *heapspec.Container) {
		c.Type = "map[string]*main.User"
		c.Global(&lookup)
		c.Holder = "main.lookup"
		c.Root = 0
		c.Address, c.Map = uint64(captured), &shape
		c.Entries, c.Capacity, c.KeySize, c.ElemSize = uint64(n), shape.Slots, 16, 8
		c.KeyBytes, c.ValueBytes = c.Entries*29, c.Entries*112
		c.StructBytes = shape.Bytes
		c.Retained = shape.Bytes + c.Entries*(sizeclass.Str(29)+sizeclass.Of[User]())
	}, heapspec.Beside(func() uint64 { return sizeclass.Bytes(16, true) }))
	const other = "oomph.example/lab/heap/roots/registry."
	p.Add(other+"Plugins", "map", func() {
		for i := 0; i < n; i++ {
			registry.Add(heapspec.Prefixed("plugin-with-number-", i))
		}
	}, func(c *heapspec.Container) {
		c.MapOf(registry.Plugins)
		c.Global(&registry.Plugins)
		for k := range registry.Plugins {
			c.KeyBytes += uint64(len(k))
			c.ValueBytes += 32
			// Names and plugins are in byID as well: retained by neither alone.
		}
	}, heapspec.Beside(func() uint64 {
		byID, _ := registry.ByID()
		shared := uint64(len(byID)) * (sizeclass.Of[registry.Plugin]() + sizeclass.Str(27))
		// The map's header and first group were there before.
		return shared + sizeclass.Array[*registry.Plugin](cap(byID)) - before
	}))
	before = mapshape.Of(map[string]*registry.Plugin{}).Bytes
	p.Tell(other+"byID", "slice", func(c *heapspec.Container) {
		byID, global := registry.ByID()
		c.SliceOf(byID, cap(byID))
		c.Global(global)
	})
}

// before is what an empty map takes.
var before uint64
