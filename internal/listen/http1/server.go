// Package http1 serves the plain HTTP/1.1 requests of a fleet: POST with a Content-Length. A connection with
// anything else is handed over to net/http, byte for byte, for the rest of its life, so nothing is parsed in two
// ways (RFC 9112).
//
// Each connection has one goroutine that reads. It reads a body into a pooled buffer, reserving memory as bytes
// arrive, and gives the request to a worker, which runs the handler and writes the answer while the goroutine
// watches for a disconnect. What both share is under conn.mu.
//
// Read server.go first, then conn.go (connections and requests), head.go (parsing), worker.go (answers), life.go
// (timeouts and shutdown) and handover.go.
package http1

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/internal/conns"
)

// A Handler serves requests.
type Handler interface {
	// Take decides on a request before its body is read: nil hands it over to net/http.
	Take(Head) Exchange
}

// An Exchange is a request and its answer.
type Exchange interface {
	// Grow is called before n bytes of the body are held in total. After an error the rest is read and dropped, and
	// Serve gets the error.
	Grow(n int) error
	// Patience is how long the smallest body may take; see conns.MinRate.
	Patience() time.Duration
	// Serve answers. body is lent until it returns. err is why it is incomplete: the error of Grow, ErrSlow,
	// ErrStopping, or the connection's. ctx ends with the connection.
	Serve(ctx context.Context, body []byte, err error) Reply
	// End is the last call, with or without an answer.
	End()
}

// Reply is an answer.
type Reply struct {
	Status int
	Type   string      // of the body
	Fields [][2]string // further header fields, names and values
	Body   []byte
}

// Why a body is incomplete.
var (
	ErrSlow     = errors.New("the body came too slowly")
	ErrStopping = errors.New("the receiver is stopping or being reconfigured")
)

// A Turn serves one request, until Leave.
type Turn interface {
	Handler
	Leave()
	Stopping() bool // whether bodies that are on their way have only a moment
}

// Options configure a Server. Durations of 0 or less mean never.
type Options struct {
	// Enter admits a request, and may wait. It returns nil if nobody will serve it.
	Enter func() Turn
	// Nobody is the answer then.
	Nobody Reply
	Log    *slog.Logger // debug, and panics of handlers

	HeaderTimeout, IdleTimeout, WriteTimeout time.Duration // as net/http's
}

// Server serves plain requests and passes other connections on through Rest.
type Server struct {
	ln      net.Listener
	opt     Options
	workers conns.Workers[*conn]
	reads   sync.Pool // *[]byte of readBuffer
	rest    *rest
	date    atomic.Pointer[date]

	mu       sync.Mutex
	conns    map[*conn]struct{}
	stopping atomic.Bool    // set under mu
	open     sync.WaitGroup // connections
}

// readBuffer is lent to a connection while there is something to read. A typical small request fits.
const readBuffer = 8 << 10

// New makes a server for the connections of ln. It starts nothing.
func New(ln net.Listener, o Options) *Server {
	s := &Server{ln: ln, opt: o, conns: map[*conn]struct{}{}}
	s.rest = &rest{addr: ln.Addr(), conns: make(chan net.Conn), closed: make(chan struct{})}
	s.workers.Do = s.serve
	s.reads.New = func() any {
		b := make([]byte, readBuffer)
		return &b
	}
	return s
}

// Serve accepts connections until Shutdown, and then returns nil, else the listener's error.
func (s *Server) Serve() error {
	return conns.Accept(s.ln, s.opt.Log, s.stopping.Load, s.start)
}

// Rest yields the connections for net/http. After it is closed, later ones are closed.
func (s *Server) Rest() net.Listener { return s.rest }

func (s *Server) start(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	if s.stopping.Load() {
		s.mu.Unlock()
		c.abort()
		return
	}
	s.conns[c] = struct{}{}
	s.open.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.open.Done()
		handed := c.serve()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		if handed != nil {
			s.rest.give(handed)
		}
	}()
}

func (s *Server) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		out = append(out, c)
	}
	return out
}

// Hurry sets a short deadline for bodies being received under turns that match; these must be Stopping.
func (s *Server) Hurry(of func(Turn) bool) {
	for _, c := range s.all() {
		c.hurry(of)
	}
}

// Shutdown accepts no more connections. Idle ones are closed, the others after their answer. When ctx ends, those
// left are aborted. It returns after the last handler.
func (s *Server) Shutdown(ctx context.Context) {
	s.mu.Lock()
	s.stopping.Store(true)
	s.mu.Unlock()
	s.ln.Close()
	for _, c := range s.all() {
		c.nudge()
	}
	conns.Leave(ctx, &s.open, func() {
		for _, c := range s.all() {
			c.abort()
		}
	})
	s.workers.Stop()
}
