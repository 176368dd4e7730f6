package listen

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/internal/listen/http1"
)

// gapPatience is how long a request waits between two graphs. SDKs give up after 10 s; they must be told to retry
// before.
const gapPatience = 5 * time.Second

// site is an HTTP server that is lent, with its connections, to one graph after the other.
type site struct {
	home *Listeners
	key  string
	spec HTTP // under which its connections were opened
	ln   net.Listener
	fore *http1.Server              // nil when the server has its connections from ln itself
	tls  atomic.Pointer[tls.Config] // of the next handshake

	mu      sync.Mutex
	serving *Serving      // nil between two graphs
	over    bool          // there will be no next graph
	changed chan struct{} // closed, and made anew, when one of the two changes
}

func newSite(home *Listeners, key string, ln net.Listener, h HTTP) (*site, *Serving) {
	s := &site{home: home, key: key, spec: h, ln: ln, changed: make(chan struct{})}
	v := s.lend(h)
	h.Server.Handler = s
	h.Server.ErrorLog = slog.NewLogLogger(h.log.Handler(), slog.LevelDebug)
	if h.TLS != nil {
		ln = tls.NewListener(ln, &tls.Config{GetConfigForClient: s.handshake})
	}
	failed := func(err error) { h.log.Error("stopped serving", "address", ln.Addr().String(), "error", err) }
	if h.Plain != nil {
		s.fore = s.newFore()
		ln = s.fore.Rest()
		go func() {
			if err := s.fore.Serve(); err != nil {
				failed(err)
			}
		}()
	}
	go func() {
		if err := h.Server.Serve(ln); err != http.ErrServerClosed {
			failed(err)
		}
	}()
	return s, v
}

func (s *site) handshake(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	c := s.tls.Load()
	if c.GetConfigForClient != nil {
		if own, err := c.GetConfigForClient(hello); own != nil || err != nil {
			return own, err
		}
	}
	return c, nil
}

func (s *site) lend(h HTTP) *Serving {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving != nil {
		return nil
	}
	s.tls.Store(h.TLS)
	s.serving = &Serving{site: s, handler: h.Server.Handler, plain: h.Plain, empty: make(chan struct{})}
	s.notify()
	return s.serving
}

func (s *site) vacate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.serving
	if v == nil {
		return
	}
	s.serving = nil
	s.notify()
	if v.inside == 0 {
		close(v.empty)
	}
}

func (s *site) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *site) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serving == nil
}

// close shuts the server down: a component's requests are answered until ctx ends, those that wait for the next
// graph at once.
func (s *site) close(ctx context.Context) {
	s.spec.Server.SetKeepAlivesEnabled(false) // the answers say so, and no client sends on what is closed next
	s.mu.Lock()
	s.over = true
	s.notify()
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go s.whenQuiet(ctx, cancel)
	fore := s.shutFore(ctx)
	if s.spec.Server.Shutdown(ctx) != nil {
		s.spec.Server.Close()
	}
	s.ln.Close() // Serve may not have run yet, and then the server does not know its listener
	fore()
}

// quietTime is how long a shutdown waits for connections without requests: net/http would wait for the rest of half
// a header.
const quietTime = time.Second

func (s *site) whenQuiet(ctx context.Context, end func()) {
	const step = quietTime / 10
	for quiet := time.Duration(0); quiet < quietTime; quiet += step {
		select {
		case <-time.After(step):
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		if s.serving != nil && s.serving.inside > 0 {
			quiet = -step
		}
		s.mu.Unlock()
	}
	end()
}

func (s *site) retire() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.close(ctx)
}

// ServeHTTP gives a request to the running graph, or to the next one.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, wait := s.enter()
	if wait != nil {
		v = s.await(r.Context(), wait)
	}
	if v == nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, replaced, http.StatusServiceUnavailable)
		return
	}
	defer s.leave(v)
	v.handler.ServeHTTP(w, r)
}

// enter counts a request in. Between graphs it returns a channel to wait for; at the end both are nil.
func (s *site) enter() (*Serving, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving != nil {
		s.serving.inside++
		return s.serving, nil
	}
	if s.over {
		return nil, nil
	}
	return nil, s.changed
}

// await waits for the next graph. Only the request's header is read meanwhile.
func (s *site) await(ctx context.Context, wait <-chan struct{}) (v *Serving) {
	ctx, cancel := context.WithTimeout(ctx, gapPatience)
	defer cancel()
	for wait != nil {
		select {
		case <-wait:
			v, wait = s.enter()
		case <-ctx.Done():
			return nil
		}
	}
	return v
}

func (s *site) leave(v *Serving) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.inside--
	if v.inside == 0 && s.serving != v {
		close(v.empty)
	}
}
