package listen

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"sync/atomic"

	"github.com/sluiceio/sluice/internal/listen/http1"
)

// HTTP is a server that a component wants to run: not started yet, and where.
type HTTP struct {
	Network, Address string
	Server           *http.Server // its handler and its timeouts; the handler may be served by an earlier graph's server
	TLS              *tls.Config  // nil for plain text
	// Plain, if set, serves plain requests at less cost than the server's handler. It requires no TLS, no
	// ReadTimeout, and keep-alives.
	Plain http1.Handler
	// Terms is what else must be equal (reflect.DeepEqual) for connections to survive a reload, such as the TLS
	// section.
	Terms any

	log *slog.Logger
}

// sameTerms reports whether connections opened under h may be served under o. A renewed certificate counts from the
// next handshake and closes none; other client CAs do.
func (h HTTP) sameTerms(o HTTP) bool {
	a, b := h.Server, o.Server
	return a.ReadTimeout == b.ReadTimeout && a.ReadHeaderTimeout == b.ReadHeaderTimeout &&
		a.WriteTimeout == b.WriteTimeout && a.IdleTimeout == b.IdleTimeout && a.MaxHeaderBytes == b.MaxHeaderBytes &&
		(h.Plain == nil) == (o.Plain == nil) && (h.TLS == nil) == (o.TLS == nil) && (h.TLS == nil || h.TLS.ClientCAs.Equal(o.TLS.ClientCAs)) &&
		reflect.DeepEqual(h.Terms, o.Terms)
}

// Serving is a component's hold on a server, until Stop.
type Serving struct {
	site    *site
	handler http.Handler
	plain   http1.Handler
	inside  int           // requests that the handler is answering; guarded by the site's mutex
	empty   chan struct{} // closed when no more come and the last one has left
	stopped atomic.Bool
}

// Addr is the listener's address.
func (v *Serving) Addr() net.Addr { return v.site.ln.Addr() }

// Stop takes no more requests and returns after the last one; when ctx ends they are cut off. In a reload
// connections stay open, and their next requests wait for the next graph.
func (v *Serving) Stop(ctx context.Context) {
	s := v.site
	if v.stopped.Swap(true) {
		<-v.empty
		return
	}
	s.hurry(v)
	if s.home.keeps(s) {
		s.vacate()
		if v.emptyBefore(ctx) {
			return
		}
	}
	s.home.forget(s)
	s.close(ctx)
	s.vacate()
	<-v.empty // Close ends the requests' contexts, but does not wait for their handlers
}

func (v *Serving) emptyBefore(ctx context.Context) bool {
	select {
	case <-v.empty:
		return true
	default:
	}
	select {
	case <-v.empty:
		return true
	case <-ctx.Done():
		return false
	}
}
