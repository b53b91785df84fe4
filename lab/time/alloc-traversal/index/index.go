// Package index is an ordered index in memory: a treap from a number to whatever its user keeps there.
package index

import "math/rand"

// Entry is what is kept at a key.
type Entry struct {
	Account uint32
	Region  uint16
	Kind    uint16
	Cents   int64
	Booked  int64
	Payee   string
	Memo    *string
}

// Tree is an ordered index; its zero value is empty.
type Tree struct {
	root *node
	size int
}

type node struct {
	left, right *node
	priority    uint32
	key         uint64
	entry       Entry
}

// Len is the number of entries.
func (t *Tree) Len() int { return t.size }

// Insert puts an entry at a key.
func (t *Tree) Insert(key uint64, entry Entry) {
	added := false
	t.root = insert(t.root, key, entry, &added)
	if added {
		t.size++
	}
}

func insert(n *node, key uint64, entry Entry, added *bool) *node {
	switch {
	case n == nil:
		*added = true
		return &node{priority: rand.Uint32(), key: key, entry: entry}
	case key == n.key:
		n.entry = entry
	case key < n.key:
		n.left = insert(n.left, key, entry, added)
		if n.left.priority > n.priority {
			l := n.left
			n.left, l.right = l.right, n
			return l
		}
	default:
		n.right = insert(n.right, key, entry, added)
		if n.right.priority > n.priority {
			r := n.right
			n.right, r.left = r.left, n
			return r
		}
	}
	return n
}

// Each calls visit with every key and entry in order, until it returns false. The parameters are of type
// any, as the package's users keep several kinds of keys.
func (t *Tree) Each(visit func(key, value any) bool) {
	path := make([]*node, 0, 64)
	for n := t.root; n != nil || len(path) > 0; {
		for ; n != nil; n = n.left {
			path = append(path, n)
		}
		n, path = path[len(path)-1], path[:len(path)-1]
		if !visit(n.key, n.entry) { // culprit
			return
		}
		n = n.right
	}
}
