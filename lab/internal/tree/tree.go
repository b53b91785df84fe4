// Package tree builds a live heap that is costly to mark: many small nodes full of pointers.
package tree

// Node is a node of a binary tree.
type Node struct {
	Left, Right *Node
	Name        *string
	Value       [5]uint64
}

// NodeBytes is what the heap gives for a Node.
const NodeBytes = 64

// Build makes a tree of 2^depth-1 nodes.
func Build(depth int) *Node {
	if depth == 0 {
		return nil
	}
	return &Node{Left: Build(depth - 1), Right: Build(depth - 1), Value: [5]uint64{uint64(depth)}}
}

// Nodes of a tree of this depth.
func Nodes(depth int) uint64 { return 1<<depth - 1 }

// Sum walks the tree down one path.
func (n *Node) Sum(path uint64) uint64 {
	var sum uint64
	for ; n != nil; path >>= 1 {
		sum += n.Value[0]
		if path&1 == 0 {
			n = n.Left
		} else {
			n = n.Right
		}
	}
	return sum
}
