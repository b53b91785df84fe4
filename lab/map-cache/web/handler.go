// Package web serves the shop's pages.
package web

import (
	"fmt"
	"net/http"
	"time"

	"oomph.example/lab/map-cache/session"
)

// Handler serves /shop.
type Handler struct {
	Sessions *session.Store
}

// ServeHTTP opens the visitor's session and records the page view. The key ends in the request's
// own id, so that no two requests share a session.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tenant, user := r.Header.Get("X-Tenant"), r.Header.Get("X-User")
	key := tenant + "/" + user + "/" + r.Header.Get("X-Request-Id")
	now := time.Now()
	sess := h.Sessions.Open(key, user, now)
	sess.Record(session.PageView{Path: r.URL.Path, At: now})
	fmt.Fprintf(w, "welcome %s, %d pages seen\n", user, sess.Next)
}
