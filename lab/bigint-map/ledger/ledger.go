// Package ledger keeps one commitment per transfer.
package ledger

import (
	"math/big"
	"sync"
	"sync/atomic"

	"oomph.example/lab/internal/truth"
)

// Ledger maps transfer ids to their commitments.
type Ledger struct {
	mu          sync.Mutex
	commitments map[string]*big.Int
	generator   *big.Int
	limit       uint64

	entries, bytes, keyBytes atomic.Uint64
}

// New makes an empty ledger that stops recording at limit bytes.
func New(limit uint64) *Ledger {
	generator := new(big.Int).Lsh(big.NewInt(1), 2047)
	return &Ledger{
		commitments: make(map[string]*big.Int),
		generator:   generator.Sub(generator, big.NewInt(1942289)),
		limit:       limit,
	}
}

// Commit computes the commitment to a transfer and keeps it under its id, for ever.
func (l *Ledger) Commit(id string, secret *big.Int) {
	if l.Full() {
		return
	}
	commitment := new(big.Int).Mul(l.generator, secret) // culprit
	l.mu.Lock()
	l.commitments[id] = commitment // culprit: inserts
	l.mu.Unlock()
	words := uint64(cap(commitment.Bits())) * 8
	l.bytes.Add(truth.SizeOf[big.Int]() + truth.ObjectBytes(words, false))
	l.keyBytes.Add(truth.ObjectBytes(uint64(len(id)), false))
	l.entries.Add(1)
}

// Stats are the entries, the bytes of their values and of their keys.
func (l *Ledger) Stats() (entries, bytes, keyBytes uint64) {
	return l.entries.Load(), l.bytes.Load(), l.keyBytes.Load()
}

// Full tells whether the ledger records no more.
func (l *Ledger) Full() bool { return l.bytes.Load() >= l.limit }
