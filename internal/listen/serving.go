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

// HTTP is what a component wants to have served: a server that nobody started yet, and where.
type HTTP struct {
	Network, Address string
	Server           *http.Server // its handler and its timeouts; the handler may be served by an earlier graph's server
	TLS              *tls.Config  // nil for plain text
	// Plain, when not nil, serves the plain requests among those that the server's handler would serve, at less cost.
	// There must be no TLS then, no ReadTimeout, and keep-alives must be on.
	Plain http1.Handler
	// Terms is what else a client's connection was opened under, such as the TLS section of the file. Like the
	// timeouts and the client CAs it must be equal for connections to outlive a reload (reflect.DeepEqual).
	Terms any

	log *slog.Logger
}

// sameTerms tells whether connections that were opened under h may be served under o. A renewed certificate is no
// reason to close them, here as elsewhere it counts from the next handshake on; other client CAs are one.
func (h HTTP) sameTerms(o HTTP) bool {
	a, b := h.Server, o.Server
	return a.ReadTimeout == b.ReadTimeout && a.ReadHeaderTimeout == b.ReadHeaderTimeout &&
		a.WriteTimeout == b.WriteTimeout && a.IdleTimeout == b.IdleTimeout && a.MaxHeaderBytes == b.MaxHeaderBytes &&
		(h.Plain == nil) == (o.Plain == nil) && (h.TLS == nil) == (o.TLS == nil) && (h.TLS == nil || h.TLS.ClientCAs.Equal(o.TLS.ClientCAs)) &&
		reflect.DeepEqual(h.Terms, o.Terms)
}

// Serving is a component's hold on its HTTP server, from Serve to Stop.
type Serving struct {
	site    *site
	handler http.Handler
	plain   http1.Handler
	inside  int           // requests that the handler is answering; guarded by the site's mutex
	empty   chan struct{} // closed when no more come and the last one has left
	stopped atomic.Bool
}

// Addr is the address of the listener.
func (v *Serving) Addr() net.Addr { return v.site.ln.Addr() }

// Stop takes no more requests and returns behind the last one that is inside; those that are there when ctx ends
// are cut off. In a reload the connections stay, and what comes on them waits for the next graph.
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
