// Package trail keeps an audit trail in memory.
package trail

import (
	"container/list"
	"sync"
)

// Entry is one action.
type Entry struct {
	Visit  string
	Action [36]uint64
}

// Trail is the actions in order; with a limit, the oldest go.
type Trail struct {
	mu    sync.Mutex
	log   *list.List
	limit int
}

// New makes an empty trail; limit 0 is none.
func New(limit int) *Trail { return &Trail{log: list.New(), limit: limit} }

// Add notes an action.
func (t *Trail) Add(visit string, n uint64) {
	e := &Entry{Visit: visit} // culprit: trail
	e.Action[0] = n
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.PushBack(e)
	for t.limit > 0 && t.log.Len() > t.limit {
		t.log.Remove(t.log.Front())
	}
}

// Len is the number of actions kept.
func (t *Trail) Len() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return uint64(t.log.Len())
}
