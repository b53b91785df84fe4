// Maps: one of each shape, from empty to a hundred thousand entries.
package main

import (
	"strconv"
	"unsafe"

	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/mapshape"
	"oomph.example/lab/internal/sizeclass"
)

type small struct{ a, b uint64 }

type point struct {
	x, y int32
	z    int64
}

type named struct {
	id   uint64
	name string
}

type wideKey [144]byte

type wide struct {
	id   uint64
	body [192]byte
	name string
}

var (
	empty     map[string]int
	allocated map[string]int
	seven     map[string]int
	medium    map[string]int
	ints      map[int]int
	noscan    map[uint64]uint64
	structs   map[point]named
	anys      map[any]any
	ofMaps    map[string]map[string]int
	set       map[string]struct{}
	pointers  map[string]*small
	uuids     map[string]string
	prefixed  map[string]uint64
	wideKeys  map[wideKey]int
	wideElems map[int]wide
	wideBoth  map[wideKey]wide
	growing   map[string]int
	ghost     map[string]*wide
	hinted    map[int64]int64
	cleared   map[int64]int64
	churned   map[int64]int64
	skewed    map[uint64]uint64
	moving    map[uint64]*small
	sparse    map[string][]byte
)

func main() { heapspec.Main("maps", build) }

func build(p *heapspec.Program) {
	smallMaps(p)
	keyKinds(p)
	elemKinds(p)
	states(p)
}

func smallMaps(p *heapspec.Program) {
	p.Add("main.allocated", "map", func() { allocated = make(map[string]int) }, func(c *heapspec.Container) {
		c.MapOf(allocated)
		c.Global(&allocated)
	})
	p.Tell("main.empty", "map", func(c *heapspec.Container) { c.MapOf(empty); c.Global(&empty) })
	p.Add("main.seven", "map", func() {
		seven = map[string]int{}
		for i := 0; i < 7; i++ {
			seven[heapspec.Prefixed("small-map-key-", i)] = i
		}
	}, func(c *heapspec.Container) {
		c.MapOf(seven)
		c.Global(&seven)
		stringKeys(c, seven)
	})
	p.Add("main.medium", "map", func() {
		medium = map[string]int{}
		for i := 0; i < 1000; i++ {
			medium[heapspec.Prefixed("medium-map-key-", i)] = i
		}
	}, func(c *heapspec.Container) {
		c.MapOf(medium)
		c.Global(&medium)
		stringKeys(c, medium)
	})
}

// stringKeys adds the bytes of the keys.
func stringKeys[V any](c *heapspec.Container, m map[string]V) {
	for k := range m {
		c.KeyBytes += uint64(len(k))
		c.Retained += sizeclass.Str(len(k))
	}
}

func keyKinds(p *heapspec.Program) {
	p.Add("main.ints", "map", func() {
		ints = map[int]int{}
		for i := 0; i < p.N(20_000); i++ {
			ints[i*7] = i
		}
	}, func(c *heapspec.Container) { c.MapOf(ints); c.Global(&ints) })
	p.Add("main.noscan", "map", func() {
		noscan = map[uint64]uint64{}
		for i := 0; i < p.N(100_000); i++ {
			noscan[uint64(i)*0x9e3779b97f4a7c15] = uint64(i)
		}
	}, func(c *heapspec.Container) { c.MapOf(noscan); c.Global(&noscan) })
	p.Add("main.structs", "map", func() {
		structs = map[point]named{}
		for i := 0; i < p.N(5_000); i++ {
			structs[point{int32(i), int32(-i), int64(i)}] = named{uint64(i), heapspec.Prefixed("struct-element-", i)}
		}
	}, func(c *heapspec.Container) {
		c.MapOf(structs)
		c.Global(&structs)
		for _, v := range structs {
			c.ValueBytes += uint64(len(v.name))
			c.Retained += sizeclass.Str(len(v.name))
		}
	})
	p.Add("main.anys", "map", func() {
		anys = map[any]any{}
		for i := 0; i < p.N(3_000); i++ {
			anys[heapspec.Prefixed("interface-key-", i)] = &small{uint64(i), 1}
		}
	}, func(c *heapspec.Container) {
		c.MapOf(anys)
		c.Global(&anys)
		for k := range anys {
			c.KeyBytes += uint64(len(k.(string))) + 16
			c.ValueBytes += uint64(unsafe.Sizeof(small{}))
			c.Retained += sizeclass.Of[string]() + sizeclass.Str(len(k.(string))) + sizeclass.Of[small]()
		}
	})
	p.Add("main.uuids", "map", func() {
		uuids = map[string]string{}
		var r heapspec.Rand
		for i := 0; i < p.N(20_000); i++ {
			uuids[r.UUID()] = heapspec.Text(i, 64)
		}
	}, func(c *heapspec.Container) {
		c.MapOf(uuids)
		c.Global(&uuids)
		stringKeys(c, uuids)
		for _, v := range uuids {
			c.ValueBytes += uint64(len(v))
			c.Retained += sizeclass.Str(len(v))
		}
		c.Rule("unbounded-map")
	})
	p.Add("main.prefixed", "map", func() {
		prefixed = map[string]uint64{}
		for i := 0; i < p.N(20_000); i++ {
			prefixed[heapspec.Prefixed("/api/v1/tenants/eu-central/users/", i)] = uint64(i)
		}
	}, func(c *heapspec.Container) { c.MapOf(prefixed); c.Global(&prefixed); stringKeys(c, prefixed) })
	next := p.N(20_000)
	var fresh heapspec.Rand = 1 << 40
	p.Grow("main.uuids", func() {
		for i := 0; i < p.N(5_000); i++ {
			uuids[fresh.UUID()] = heapspec.Text(i, 64)
			next++
		}
	})
}

func elemKinds(p *heapspec.Program) {
	p.Add("main.ofMaps", "map", func() {
		ofMaps = map[string]map[string]int{}
		for i := 0; i < 200; i++ {
			inner := map[string]int{}
			for j := 0; j < i%20; j++ {
				inner[heapspec.Prefixed("inner-map-key-"+strconv.Itoa(i), j)] = j
			}
			ofMaps[heapspec.Prefixed("outer-map-key-", i)] = inner
		}
	}, func(c *heapspec.Container) {
		c.MapOf(ofMaps)
		c.Global(&ofMaps)
		stringKeys(c, ofMaps)
		for _, inner := range ofMaps {
			c.Retained += mapshape.Of(inner).Bytes
			c.ValueBytes += mapshape.Of(inner).Bytes
			for k := range inner {
				c.Retained += sizeclass.Str(len(k))
			}
		}
	})
	p.Add("main.set", "map", func() {
		set = map[string]struct{}{}
		var r heapspec.Rand = 77
		for i := 0; i < p.N(10_000); i++ {
			set[r.UUID()] = struct{}{}
		}
	}, func(c *heapspec.Container) { c.MapOf(set); c.Global(&set); stringKeys(c, set) })
	p.Add("main.pointers", "map", func() {
		pointers = map[string]*small{}
		for i := 0; i < p.N(30_000); i++ {
			pointers[heapspec.Prefixed("pointer-map-key-", i)] = &small{uint64(i), 2}
		}
	}, func(c *heapspec.Container) {
		c.MapOf(pointers)
		c.Global(&pointers)
		stringKeys(c, pointers)
		c.ValueBytes = c.Entries * uint64(unsafe.Sizeof(small{}))
		c.Retained += c.Entries * sizeclass.Of[small]()
		c.Rule("map-of-small-pointers")
	})
	p.Add("main.wideKeys", "map", func() {
		wideKeys = map[wideKey]int{}
		for i := 0; i < p.N(2_000); i++ {
			wideKeys[wideKey{byte(i), byte(i >> 8), byte(i >> 16), 1}] = i
		}
	}, func(c *heapspec.Container) {
		c.MapOf(wideKeys)
		c.Global(&wideKeys)
		c.KeyBytes = c.Entries * uint64(unsafe.Sizeof(wideKey{}))
		c.Retained += c.Entries * sizeclass.Of[wideKey]()
	})
	p.Add("main.wideElems", "map", func() {
		wideElems = map[int]wide{}
		for i := 0; i < p.N(2_000); i++ {
			wideElems[i] = wide{id: uint64(i)}
		}
	}, func(c *heapspec.Container) {
		c.MapOf(wideElems)
		c.Global(&wideElems)
		c.ValueBytes = c.Entries * uint64(unsafe.Sizeof(wide{}))
		c.Retained += c.Entries * sizeclass.Of[wide]()
	})
	p.Add("main.wideBoth", "map", func() {
		wideBoth = map[wideKey]wide{}
		for i := 0; i < p.N(1_000); i++ {
			wideBoth[wideKey{byte(i), byte(i >> 8), byte(i >> 16), 2}] = wide{id: uint64(i)}
		}
	}, func(c *heapspec.Container) {
		c.MapOf(wideBoth)
		c.Global(&wideBoth)
		c.KeyBytes = c.Entries * uint64(unsafe.Sizeof(wideKey{}))
		c.ValueBytes = c.Entries * uint64(unsafe.Sizeof(wide{}))
		c.Retained += c.Entries * (sizeclass.Of[wideKey]() + sizeclass.Of[wide]())
	})
}

// states are maps that are large for a reason.
func states(p *heapspec.Program) {
	p.Add("main.growing", "map", fillGrowing, func(c *heapspec.Container) {
		c.MapOf(growing)
		c.Global(&growing)
		stringKeys(c, growing)
	})
	p.Add("main.ghost", "map", func() {
		ghost = map[string]*wide{}
		for i := 0; i < p.N(50_000); i++ {
			ghost[heapspec.Prefixed("ghost-map-key-", i)] = &wide{id: uint64(i)}
		}
		for i := 3; i < p.N(50_000); i++ {
			delete(ghost, heapspec.Prefixed("ghost-map-key-", i))
		}
	}, func(c *heapspec.Container) {
		c.MapOf(ghost)
		c.Global(&ghost)
		stringKeys(c, ghost)
		c.ValueBytes = c.Entries * uint64(unsafe.Sizeof(wide{}))
		c.Retained += c.Entries * sizeclass.Of[wide]()
		c.Rule("ghost-capacity")
	})
	p.Add("main.cleared", "map", func() {
		cleared = map[int64]int64{}
		for i := 0; i < p.N(50_000); i++ {
			cleared[int64(i)] = 1
		}
		for k := range cleared {
			delete(cleared, k)
		}
	}, func(c *heapspec.Container) { c.MapOf(cleared); c.Global(&cleared); c.Rule("ghost-capacity") })
	p.Add("main.hinted", "map", func() {
		hinted = make(map[int64]int64, p.N(60_000))
		for i := 0; i < 10; i++ {
			hinted[int64(i)] = 1
		}
	}, func(c *heapspec.Container) { c.MapOf(hinted); c.Global(&hinted); c.Rule("capacity-waste") })
	p.Add("main.churned", "map", func() {
		churned = map[int64]int64{}
		for i := 0; i < p.N(200_000); i++ {
			churned[int64(i)] = 1
			delete(churned, int64(i-3_000))
		}
	}, func(c *heapspec.Container) { c.MapOf(churned); c.Global(&churned) })
	p.Add("main.skewed", "map", fillSkewed, func(c *heapspec.Container) {
		c.MapOf(skewed)
		c.Global(&skewed)
		c.Rule("overflow-buckets")
	})
	p.Add("main.moving", "map", fillMoving, func(c *heapspec.Container) {
		c.MapOf(moving)
		c.Global(&moving)
		c.ValueBytes = c.Entries * uint64(unsafe.Sizeof(small{}))
		// Buckets that were moved are unlinked, but of those that lie behind the main ones in the old array the
		// pointers stay: the collector keeps the buckets that come after them.
		c.Approx()
		c.Rule("overflow-buckets")
	})
	p.Add("main.sparse", "map", func() {
		sparse = map[string][]byte{}
		for i := 0; i < 500; i++ {
			sparse[heapspec.Prefixed("sparse-map-key-", i)] = make([]byte, i%16+100, 4096)
		}
	}, func(c *heapspec.Container) {
		c.MapOf(sparse)
		c.Global(&sparse)
		stringKeys(c, sparse)
		c.ValueBytes = c.Entries * 4096
		c.Retained += c.Entries * sizeclass.Bytes(4096, false)
		c.Rule("capacity-waste")
	})
}

// fillGrowing stops right after a classic map has begun to move to new buckets (13/2 entries a
// bucket), with most of the old buckets still in use.
func fillGrowing() {
	growing = map[string]int{}
	for i := 0; i < 13*1024/2+3; i++ {
		growing[heapspec.Prefixed("growing-map-key-", i)] = i
	}
}

// fillSkewed takes only keys whose hashes end in the same ten bits: a classic map then has one long
// chain of overflow buckets, a Swiss one long probe sequences.
func fillSkewed() {
	skewed = map[uint64]uint64{}
	// The seed is final once the map is not empty.
	skewed[1] = 1
	for key := uint64(2); len(skewed) < 400; key++ {
		if mapshape.Hash(skewed, unsafe.Pointer(&key))&0x3ff == 0 {
			skewed[key] = key
		}
	}
}

// fillMoving takes many keys for a few buckets, until a classic map has just begun to move to new buckets: chains
// of overflow buckets are then in the old buckets, and some in the new.
func fillMoving() {
	moving = map[uint64]*small{}
	moving[1] = &small{1, 1}
	for key := uint64(2); len(moving) < 13*64/2; key++ {
		// Two buckets of three go to one in four.
		if hash := mapshape.Hash(moving, unsafe.Pointer(&key)); len(moving)%3 == 0 || hash&3 == 0 {
			moving[key] = &small{key, 1}
		}
	}
	for key := uint64(1) << 40; ; key++ {
		moving[key] = &small{key, 2}
		if shape := mapshape.Of(moving); shape.Design != "classic" || shape.Growing {
			return
		}
	}
}
