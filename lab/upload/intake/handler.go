// Package intake takes documents in.
package intake

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Handler stores uploads.
type Handler struct {
	// Scan is how long the virus scanner takes.
	Scan time.Duration

	open, received atomic.Uint64
}

// ServeHTTP reads the whole body into memory, has it scanned, and answers with its digest.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body) // culprit
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	size := uint64(cap(body))
	h.open.Add(size)
	defer h.open.Add(-size)
	h.received.Add(uint64(len(body)))
	time.Sleep(h.Scan)
	fmt.Fprintf(w, "%x\n", sha256.Sum256(body[:min(len(body), 1<<20)]))
}

// Stats are the bytes of bodies held now and all bytes received.
func (h *Handler) Stats() (open, received uint64) { return h.open.Load(), h.received.Load() }
