// Package digest computes slow digests of documents, as for a signature: round after round over the same bytes.
package digest

import (
	"context"
	"sync/atomic"
)

const rounds = 40

// Queue hands documents to workers.
type Queue struct {
	jobs   chan []byte
	done   atomic.Uint64
	digest atomic.Uint64
}

// New returns a queue with room for some documents.
func New(size int) *Queue { return &Queue{jobs: make(chan []byte, size)} }

// Done is how many documents are done.
func (q *Queue) Done() uint64 { return q.done.Load() }

// Put queues a document as soon as there is room.
func (q *Queue) Put(ctx context.Context, document []byte) {
	select {
	case q.jobs <- document:
	case <-ctx.Done():
	}
}

// Work takes documents until ctx is done.
func (q *Queue) Work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case document := <-q.jobs:
			q.digest.Store(Sum(document))
			q.done.Add(1)
		}
	}
}

// Sum is the digest of a document: tens of milliseconds of arithmetic that neither waits nor allocates.
func Sum(document []byte) uint64 {
	h := uint64(14695981039346656037)
	for round := 0; round < rounds; round++ {
		for _, b := range document {
			h = (h ^ uint64(b) ^ h>>29) * 1099511628211 // culprit
		}
	}
	return h
}
