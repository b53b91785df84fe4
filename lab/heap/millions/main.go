// Millions: maps of a million entries, one full, one emptied.
package main

import (
	"unsafe"

	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/sizeclass"
)

// User is a value of the large map.
type User struct {
	ID    uint64
	Name  string
	Score [3]float64
}

var (
	users map[string]*User
	index map[uint64]uint32
	ghost map[uint64]*User
)

func main() { heapspec.Main("millions", build) }

func build(p *heapspec.Program) {
	n := p.N(1_000_000)
	p.Add("main.users", "map", func() {
		users = map[string]*User{}
		add(0, n)
	}, func(c *heapspec.Container) {
		c.MapOf(users)
		c.Global(&users)
		for k, u := range users {
			c.KeyBytes += uint64(len(k))
			c.ValueBytes += uint64(unsafe.Sizeof(User{})) + uint64(len(u.Name))
			c.Retained += sizeclass.Str(len(k)) + sizeclass.Of[User]() + sizeclass.Str(len(u.Name))
		}
		c.Rule("unbounded-map")
	})
	p.Grow("main.users", func() { add(len(users), n/10) })
	p.Add("main.index", "map", func() {
		index = map[uint64]uint32{}
		for i := 0; i < n; i++ {
			index[uint64(i)*0x9e3779b97f4a7c15] = uint32(i)
		}
	}, func(c *heapspec.Container) { c.MapOf(index); c.Global(&index) })
	p.Add("main.ghost", "map", func() {
		ghost = map[uint64]*User{}
		for i := 0; i < n; i++ {
			ghost[uint64(i)] = &User{ID: uint64(i)}
		}
		for i := 0; i < n; i++ {
			delete(ghost, uint64(i))
		}
	}, func(c *heapspec.Container) {
		c.MapOf(ghost)
		c.Global(&ghost)
		c.Rule("ghost-capacity")
	})
}

func add(from, n int) {
	for i := from; i < from+n; i++ {
		users[heapspec.Prefixed("customer/eu/", i)] = &User{ID: uint64(i), Name: heapspec.Prefixed("name of customer ", i)}
	}
}
