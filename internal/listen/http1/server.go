// Package http1 serves the plain requests of HTTP/1.1 that a fleet sends all day: POST, with a body of a known length.
// Everything else it hands over, byte for byte as it came, to net/http, for the rest of the connection's life; so what
// it does not understand cannot be understood in two ways (RFC 9112).
//
// A connection has one goroutine, which reads. It reads a body into a pooled buffer, for which room is asked for as
// bytes come, and hands the whole request to a worker; the worker runs the handler and writes the answer in one piece,
// while the goroutine sees whether the client leaves. What both share is under conn.mu.
//
// Read it in this order: server.go, conn.go (a connection and its requests), head.go (what is understood), worker.go
// (how a request is served and answered), life.go (timeouts and the end), handover.go (the way to net/http).
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
	// Take decides on a request before any of its body is read: nil hands it over to net/http.
	Take(Head) Exchange
}

// An Exchange is a request and its answer.
type Exchange interface {
	// Grow is asked before n bytes of the body are held altogether. After an error the rest of it is read and dropped,
	// and the error given to Serve.
	Grow(n int) error
	// Patience is how long the body may take, however small; see conns.MinRate.
	Patience() time.Duration
	// Serve answers. body is lent until it returns; err is why it is not whole: that of Grow, ErrSlow, ErrStopping, or
	// that of the connection. ctx ends with the connection.
	Serve(ctx context.Context, body []byte, err error) Reply
	// End is the last call, whether there was an answer or not.
	End()
}

// Reply is an answer.
type Reply struct {
	Status int
	Type   string      // of the body
	Fields [][2]string // further header fields, names and values
	Body   []byte
}

// Why a body is not whole.
var (
	ErrSlow     = errors.New("the body came too slowly")
	ErrStopping = errors.New("the receiver is stopping or being reconfigured")
)

// A Turn is a request's leave to be served: somebody who serves it, until Leave.
type Turn interface {
	Handler
	Leave()
	Stopping() bool // whether bodies that are on their way have only a moment
}

// Options are what a Server is made of. Durations of 0 or less are "never".
type Options struct {
	// Enter lets a request in, and may wait for somebody who serves it; nil when nobody will.
	Enter func() Turn
	// Nobody is answered then.
	Nobody Reply
	Log    *slog.Logger // debug, and panics of handlers

	HeaderTimeout, IdleTimeout, WriteTimeout time.Duration // as net/http's
}

// Server serves. Make one with New, run it with Serve, end it with Shutdown. What it does not understand
// comes out of Rest.
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

// readBuffer is lent to a connection while it has something to read. A fleet's small request fits.
const readBuffer = 8 << 10

// New makes a server of the connections that ln accepts. It starts nothing.
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

// Serve takes connections until Shutdown. It returns nil then, else the listener's error.
func (s *Server) Serve() error {
	return conns.Accept(s.ln, s.opt.Log, s.stopping.Load, s.start)
}

// Rest is where net/http gets the connections that are not the server's any more. Who closes it closes those that come
// later.
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

// Hurry gives the bodies a moment that are on their way under a turn of t's owner, which says that it is Stopping.
func (s *Server) Hurry(of func(Turn) bool) {
	for _, c := range s.all() {
		c.hurry(of)
	}
}

// Shutdown takes no more connections, and no more requests on those that had one; the others are told to go by their
// answer. It returns when all are gone. At the end of ctx those that are left are cut off, and it returns behind the last handler.
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
