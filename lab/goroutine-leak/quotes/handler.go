package quotes

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
)

// Handler serves /quote?symbol=...
type Handler struct {
	Client *Client
	// Closed refuses further questions.
	Closed atomic.Bool
}

// ServeHTTP answers with a price or 504.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.Closed.Load() {
		http.Error(w, "closed", http.StatusGatewayTimeout)
		return
	}
	q, err := h.Client.Ask(r.Context(), r.URL.Query().Get("symbol"))
	if errors.Is(err, ErrSlow) {
		http.Error(w, err.Error(), http.StatusGatewayTimeout)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "%s %d.%02d\n", q.Symbol, q.Cents/100, q.Cents%100)
}
