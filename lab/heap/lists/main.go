// Lists: container/list, lists and trees written by hand, chains of contexts.
package main

import (
	"container/list"
	"container/ring"
	"context"
	"reflect"

	"oomph.example/lab/internal/heapspec"
	"oomph.example/lab/internal/sizeclass"
)

// Node is of a singly linked list.
type Node struct {
	Next  *Node
	Value [4]uint64
}

// Item is of a doubly linked list that has its payload elsewhere.
type Item struct {
	prev, next *Item
	payload    *[64]byte
	key        uint64
}

// Branch is of a binary tree.
type Branch struct {
	left, right *Branch
	key         uint64
	label       string
}

// Directory is of a tree with any number of children.
type Directory struct {
	name     string
	children []*Directory
}

type ctxKey struct{}

var (
	history  *list.List
	embedded list.List
	head     *Node
	first    *Item
	last     *Item
	root     *Branch
	files    *Directory
	circle   *ring.Ring
	values   context.Context
	cancels  context.Context
	stop     []context.CancelFunc
)

func main() { heapspec.Main("lists", build) }

func build(p *heapspec.Program) {
	library(p)
	byHand(p)
	trees(p)
	contexts(p)
}

func library(p *heapspec.Program) {
	p.Add("main.history", "list", func() {
		history = list.New()
		push(p.N(50_000))
	}, func(c *heapspec.Container) {
		c.Is(history)
		c.Global(&history)
		c.Entries = uint64(history.Len())
		c.Depth = c.Entries
		c.ValueBytes = c.Entries * 100
		c.StructBytes = sizeclass.Of[list.List]() + c.Entries*sizeclass.Of[list.Element]()
		c.Retained = c.StructBytes + c.Entries*sizeclass.Of[[100]byte]()
		c.Rule("deep-chain")
	})
	p.Grow("main.history", func() { push(p.N(10_000)) })
	p.Add("main.embedded", "list", func() {
		for i := 0; i < 300; i++ {
			embedded.PushBack(heapspec.Prefixed("list-element-value-", i))
		}
	}, func(c *heapspec.Container) {
		c.Is(&embedded)
		c.Global(&embedded)
		c.Entries = uint64(embedded.Len())
		c.Depth = c.Entries
		c.StructBytes = c.Entries * sizeclass.Of[list.Element]()
		c.Retained = c.StructBytes
		for e := embedded.Front(); e != nil; e = e.Next() {
			c.ValueBytes += uint64(len(e.Value.(string)))
			c.Retained += sizeclass.Of[string]() + sizeclass.Str(len(e.Value.(string)))
		}
	})
	p.Add("main.circle", "list", func() { circle = ring.New(2_000) }, func(c *heapspec.Container) {
		c.Is(circle)
		c.Global(&circle)
		c.Entries = uint64(circle.Len())
		c.Depth = c.Entries
		c.StructBytes = c.Entries * sizeclass.Of[ring.Ring]()
		c.Retained = c.StructBytes
	})
}

func push(n int) {
	for i := 0; i < n; i++ {
		history.PushBack(&[100]byte{byte(i)})
	}
}

func byHand(p *heapspec.Program) {
	p.Add("main.head", "list", func() { chain(p.N(200_000)) }, func(c *heapspec.Container) {
		c.Is(head)
		c.Global(&head)
		for n := head; n != nil; n = n.Next {
			c.Entries++
		}
		c.Depth = c.Entries
		c.StructBytes = c.Entries * sizeclass.Of[Node]()
		c.Retained = c.StructBytes
		c.Rule("deep-chain")
	})
	p.Grow("main.head", func() { chain(p.N(20_000)) })
	p.Add("main.first", "list", func() {
		for i := 0; i < p.N(200_000); i++ {
			item := &Item{prev: last, payload: new([64]byte), key: uint64(i)}
			if last == nil {
				first = item
			} else {
				last.next = item
			}
			last = item
		}
	}, func(c *heapspec.Container) {
		c.Is(first)
		c.Global(&first)
		for n := first; n != nil; n = n.next {
			c.Entries++
		}
		c.Depth = c.Entries
		c.ValueBytes = c.Entries * 64
		c.StructBytes = c.Entries * sizeclass.Of[Item]()
		// main.last reaches every item as well: no item is retained by either variable alone.
		c.Retained = c.StructBytes + c.Entries*sizeclass.Of[[64]byte]()
		c.Holder = "main.first and main.last"
		c.Rule("deep-chain")
	})
}

func chain(n int) {
	for i := 0; i < n; i++ {
		head = &Node{Next: head}
	}
}

func trees(p *heapspec.Program) {
	p.Add("main.root", "tree", func() { root = grow(16) }, func(c *heapspec.Container) {
		c.Is(root)
		c.Global(&root)
		c.Entries = 1<<16 - 1
		c.Depth = 16
		c.ValueBytes = c.Entries * 24
		c.StructBytes = c.Entries * sizeclass.Of[Branch]()
		c.Retained = c.StructBytes + c.Entries*sizeclass.Str(24)
	})
	p.Add("main.files", "tree", func() { files = directory(6, 5) }, func(c *heapspec.Container) {
		c.Is(files)
		c.Global(&files)
		c.Depth = 6
		visit(files, func(d *Directory) {
			c.Entries++
			c.StructBytes += sizeclass.Of[Directory]() + sizeclass.Array[*Directory](cap(d.children))
			c.ValueBytes += uint64(len(d.name))
			c.Retained += sizeclass.Str(len(d.name))
		})
		c.Retained += c.StructBytes
	})
}

func grow(depth int) *Branch {
	if depth == 0 {
		return nil
	}
	return &Branch{left: grow(depth - 1), right: grow(depth - 1), key: uint64(depth), label: heapspec.Text(depth, 24)}
}

func directory(depth, fan int) *Directory {
	d := &Directory{name: heapspec.Text(depth, 30)}
	for i := 0; depth > 1 && i < fan; i++ {
		d.children = append(d.children, directory(depth-1, fan))
	}
	return d
}

func visit(d *Directory, do func(*Directory)) {
	do(d)
	for _, child := range d.children {
		visit(child, do)
	}
}

func contexts(p *heapspec.Program) {
	p.Add("main.values", "context", func() {
		values = context.Background()
		wrap(p.N(10_000))
	}, func(c *heapspec.Container) {
		c.Is(values)
		c.Global(&values)
		c.Entries = uint64(p.N(10_000) + steps*p.N(1_000))
		c.Depth = c.Entries
		c.ValueBytes = c.Entries * 32
		c.StructBytes = c.Entries * sizeclass.OfType(reflect.TypeOf(values).Elem())
		c.Retained = c.StructBytes + c.Entries*sizeclass.Of[[32]byte]()
		c.Rule("deep-chain")
	})
	p.Grow("main.values", func() { steps++; wrap(p.N(1_000)) })
	p.Add("main.cancels", "context", func() {
		cancels = context.Background()
		stop = make([]context.CancelFunc, 0, 1_000)
		for i := 0; i < 1_000; i++ {
			next, cancel := context.WithCancel(cancels)
			cancels, stop = next, append(stop, cancel)
		}
	}, func(c *heapspec.Container) {
		c.Is(cancels)
		c.Global(&cancels)
		c.Entries, c.Depth = 1_000, 1_000
		c.StructBytes = c.Entries * sizeclass.OfType(reflect.TypeOf(cancels).Elem())
		c.Approx() // each has a map of its children and main.stop a closure
	})
}

var steps int

func wrap(n int) {
	for i := 0; i < n; i++ {
		values = context.WithValue(values, ctxKey{}, &[32]byte{byte(i)})
	}
}
