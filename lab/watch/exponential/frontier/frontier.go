// Package frontier is the pages that a crawler has found and still has to visit.
package frontier

import (
	"sync"

	"oomph.example/lab/internal/growth"
)

// Page is a page that was found, with what its link said.
type Page struct {
	ID   uint64
	Text []byte
}

// Frontier is the pages by where they were found.
type Frontier struct {
	mu    sync.Mutex
	pages [][]*Page
	found uint64
}

// perBlock is how many pages share a block, so that growth never copies what is there.
const perBlock = 256

// Found adds a page. Each page that is visited leads to more than one new one.
func (f *Frontier) Found(id uint64, size int) {
	page := &Page{ID: id}
	page.Text = make([]byte, size) // culprit
	growth.Fill(page.Text, id)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found%perBlock == 0 {
		f.pages = append(f.pages, make([]*Page, 0, perBlock))
	}
	last := len(f.pages) - 1
	f.pages[last] = append(f.pages[last], page)
	f.found++
}

// Len is how many there are.
func (f *Frontier) Len() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.found
}
