// Peerheap: the heap that heap analysers were measured on, of any size. At -scale 1 it has about
// 10 million objects; -gib sets the scale by the size of the heap. Use -bare for large ones.
package main

import (
	"container/list"
	"flag"
	"math/big"
	"runtime"
	"sync"
	"unsafe"

	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/sizeclass"
)

// Address is of a user.
type Address struct {
	Street, City string
	Zip          uint64
}

// User is a value of the map.
type User struct {
	ID      uint64
	Name    string
	Email   string
	Address *Address
	Tags    []uint32
	Next    *User
}

// Node is of the chain.
type Node struct {
	Next  *Node
	Value uint64
}

type record struct {
	id   uint64
	body [6]uint64
}

var (
	users    map[string]*User
	history  *list.List
	balances map[string]*big.Int
	ghost    map[uint64]*record
	slices   [][]uint64
	sessions sync.Map
	chain    *Node
	gate     = make(chan struct{})
	sink     byte
)

// gibPerScale is the heap at -scale 1.
const gibPerScale = 0.6

func main() {
	gib := flag.Float64("gib", 0, "size of the heap in GiB; sets -scale")
	heapspec.Main("peerheap", func(p *heapspec.Program) {
		if *gib > 0 {
			p.Scale = *gib / gibPerScale
		}
		build(p)
	})
}

func build(p *heapspec.Program) {
	keyed(p)
	linked(p)
	wasted(p)
	held(p)
}

func keyed(p *heapspec.Program) {
	p.Add("main.users", "map", func() {
		users = map[string]*User{}
		addUsers(0, p.N(1_000_000))
	}, func(c *heapspec.Container) {
		c.MapOf(users)
		c.Global(&users)
		for k, u := range users {
			c.KeyBytes += uint64(len(k))
			c.ValueBytes += uint64(unsafe.Sizeof(User{})+unsafe.Sizeof(Address{})) + 24 +
				uint64(len(u.Name)+len(u.Email)+len(u.Address.Street))
			c.Retained += sizeclass.Str(len(k)) + sizeclass.Of[User]() + sizeclass.Str(len(u.Name)) +
				sizeclass.Str(len(u.Email)) + sizeclass.Of[Address]() + sizeclass.Str(len(u.Address.Street)) +
				sizeclass.Array[uint32](6)
		}
		c.Rule("unbounded-map")
	})
	p.Grow("main.users", func() { addUsers(len(users), p.N(50_000)) })
	p.Add("main.balances", "map", func() {
		balances = map[string]*big.Int{}
		for i := 0; i < p.N(300_000); i++ {
			balances[heapspec.Prefixed("account-number-", i)] = new(big.Int).Lsh(big.NewInt(int64(i)+1), 300)
		}
	}, func(c *heapspec.Container) {
		c.MapOf(balances)
		c.Global(&balances)
		for k, n := range balances {
			c.KeyBytes += uint64(len(k))
			c.ValueBytes += 32 + uint64(cap(n.Bits()))*8
			c.Retained += sizeclass.Str(len(k)) + sizeclass.Of[big.Int]() + sizeclass.Array[big.Word](cap(n.Bits()))
		}
	})
	p.Add("main.ghost", "map", func() {
		ghost = map[uint64]*record{}
		n := uint64(p.N(1_000_000))
		for i := uint64(0); i < n; i++ {
			ghost[i] = &record{id: i}
		}
		for i := uint64(0); i < n; i++ {
			delete(ghost, i)
		}
	}, func(c *heapspec.Container) { c.MapOf(ghost); c.Global(&ghost); c.Rule("ghost-capacity") })
	p.Add("main.sessions", "sync.Map", func() {
		for i := 0; i < p.N(200_000); i++ {
			sessions.Store(heapspec.Prefixed("session-number-", i), &record{id: uint64(i)})
		}
	}, func(c *heapspec.Container) {
		c.Is(&sessions)
		c.Global(&sessions)
		c.Entries = uint64(p.N(200_000))
		c.KeySize, c.ElemSize = 16, 16
		c.Approx()
	})
}

func addUsers(from, n int) {
	for i := from; i < from+n; i++ {
		users[heapspec.Prefixed("user/eu-central/", i)] = &User{
			ID: uint64(i), Name: heapspec.Prefixed("name of user ", i), Email: heapspec.Prefixed("user@mail.example", i),
			Address: &Address{Street: heapspec.Prefixed("street number ", i), City: "Springfield", Zip: uint64(i)},
			Tags:    make([]uint32, 6),
		}
	}
}

func linked(p *heapspec.Program) {
	p.Add("main.history", "list", func() {
		history = list.New()
		for i := 0; i < p.N(500_000); i++ {
			history.PushBack(&record{id: uint64(i)})
		}
	}, func(c *heapspec.Container) {
		c.Is(history)
		c.Global(&history)
		c.Entries = uint64(history.Len())
		c.Depth = c.Entries
		c.StructBytes = sizeclass.Of[list.List]() + c.Entries*sizeclass.Of[list.Element]()
		c.Retained = c.StructBytes + c.Entries*sizeclass.Of[record]()
		c.Rule("deep-chain")
	})
	p.Add("main.chain", "list", func() {
		for i := 0; i < p.N(200_000); i++ {
			chain = &Node{Next: chain, Value: uint64(i)}
		}
	}, func(c *heapspec.Container) {
		c.Is(chain)
		c.Global(&chain)
		c.Entries = uint64(p.N(200_000))
		c.Depth = c.Entries
		c.StructBytes = c.Entries * sizeclass.Of[Node]()
		c.Retained = c.StructBytes
		c.Rule("deep-chain")
	})
}

func wasted(p *heapspec.Program) {
	p.Add("main.slices", "slice", func() {
		slices = make([][]uint64, p.N(20_000))
		for i := range slices {
			slices[i] = make([]uint64, 4, 256)
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(slices, cap(slices))
		c.Global(&slices)
		c.ValueBytes = c.Entries * 2048
		c.Retained += c.Entries * sizeclass.Array[uint64](256)
		c.Rule("capacity-waste")
	})
}

func held(p *heapspec.Program) {
	n := p.N(20_000)
	p.Add("goroutine main.hold", "goroutine", func() {
		for i := 0; i < n; i++ {
			go hold(byte(i))
		}
		// A dump of all would not be cheap: they have nothing else to do than block.
		for runtime.NumGoroutine() < n+1 || started.count() < n {
			runtime.Gosched()
		}
	}, func(c *heapspec.Container) {
		c.Type = "*[4096]byte"
		c.Entries = uint64(n)
		c.ValueBytes = c.Entries * 4096
		c.Retained = c.Entries * sizeclass.Of[[4096]byte]()
		c.RetainedApprox = true // the descriptors of goroutines and their wait records are measured too
		c.Rule("goroutine-held")
	})
}

var started counter

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add() { c.mu.Lock(); c.n++; c.mu.Unlock() }

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func hold(b byte) {
	buffer := newBuffer(b)
	started.add()
	<-gate
	sink += buffer[b]
}

//go:noinline
func newBuffer(b byte) *[4096]byte { return &[4096]byte{b} }
