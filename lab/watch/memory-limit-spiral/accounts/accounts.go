// Package accounts keeps the entries of accounts.
package accounts

import "sync"

// Entry is one of an account, and the one before.
type Entry struct {
	Before *Entry
	Note   *string
	ID     uint64
	Text   [40]byte
}

// Ledger is the last entry of each account.
type Ledger struct {
	mu     sync.Mutex
	last   [1 << 10]*Entry
	note   string
	booked uint64
}

// Book adds an entry. None is ever put away.
func (l *Ledger) Book(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	account := &l.last[id>>54]
	entry := &Entry{Before: *account, Note: &l.note, ID: id} // culprit
	for i := range entry.Text {
		entry.Text[i] = byte(id)
	}
	*account = entry
	l.booked++
}

// Len is how many there are.
func (l *Ledger) Len() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.booked
}
