// Package grpcserver serves unary gRPC calls with messages as bytes, on a minimal HTTP/2: no server push, priorities or
// streaming calls (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, RFC 9113).
//
// Each connection has one reading goroutine. It reads a message into a pooled buffer, reserves memory as bytes arrive, and
// passes the call to a worker, which inflates the message, runs the handler and answers. The reading goroutine owns
// incomplete messages and their timeouts (read deadlines). State shared with workers is under conn.mu.
//
// Reading order: server.go, conn.go (connections and frames), headers.go (start of a call), message.go (its message),
// worker.go (its handler), answer.go (its answer), life.go (timeouts, keepalive, shutdown).
package grpcserver

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/conns"
	"github.com/sluiceio/sluice/pipeline"
)

// A Handler serves one call. What c returns is valid until it returns. ctx ends with the call's deadline, cancellation or
// connection. Options.StatusOf converts the error.
type Handler func(ctx context.Context, c Call) (answer []byte, err error)

// A Call is what a handler is called with.
type Call interface {
	// Received is the message as it came, maybe compressed. It is not valid after Message.
	Received() []byte
	// Message is the message, inflated. Call it once, and return its error.
	Message() ([]byte, error)
	Peer() string
	// RequestID is the metadata sluice-request-id, the name that a sender of ours gives a request; may be empty.
	RequestID() string
	// Metadata is the values of a key of Options.Metadata.
	Metadata(key string) []string
}

// Options configure a Server. A duration of 0 means "never".
type Options struct {
	Handlers map[string]Handler  // by path: "/package.Service/Method"
	StatusOf func(error) *Status // for errors of handlers, the budget and the server's own refusals (pipeline.Refused)
	Budget   *pipeline.Budget    // memory for messages, reserved as bytes arrive
	Log      *slog.Logger        // debug, and panics of handlers
	TLS      *tls.Config         // nil: plain text
	NotHTTP2 string              // answer to HTTP/1 clients, a sentence
	Metadata []string            // keys, in lower case, whose values are kept for the handler

	MaxMessage  int           // inflated size in bytes
	MaxStreams  int           // concurrent calls per connection
	ReadBuffer  int           // bytes; borrowed only while data is pending
	CallTimeout time.Duration // from complete message to answer; a shorter client deadline wins
	Patience    time.Duration // time for any message to arrive, however small; see conns.MinRate
	Keepalive   Keepalive
}

// Keepalive has the fields and meanings of grpc-go's keepalive package.
type Keepalive struct {
	MaxConnectionIdle     time.Duration
	MaxConnectionAge      time.Duration
	MaxConnectionAgeGrace time.Duration
	Time                  time.Duration // without activity, until we ping
	Timeout               time.Duration // for the answer to our ping
	MinTime               time.Duration // minimum between client pings
	PermitWithoutStream   bool          // allow client pings without a call
}

// Server is a gRPC server: New, Serve, Stop.
type Server struct {
	opt     Options
	workers conns.Workers[*stream]
	reads   sync.Pool // *[]byte of opt.ReadBuffer

	writeTimeout time.Duration // fixed, shorter in tests

	mu       sync.Mutex
	ln       net.Listener
	conns    map[*conn]struct{}
	stopping bool
	open     sync.WaitGroup // connections and handlers
}

// New makes a server without starting anything.
func New(o Options) *Server {
	s := &Server{opt: o, conns: map[*conn]struct{}{}, writeTimeout: writeTimeout}
	s.workers.Do = serve
	s.reads.New = func() any {
		b := make([]byte, o.ReadBuffer)
		return &b
	}
	return s
}

// Serve accepts connections from ln until Stop, then returns nil; otherwise the listener's error.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	s.ln = ln
	stopping := s.stopping
	s.mu.Unlock()
	if stopping {
		return nil
	}
	return conns.Accept(ln, s.opt.Log, s.isStopping, s.start)
}

func (s *Server) start(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.open.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.open.Done()
		c.serve()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// Stop accepts no new calls. Calls with a complete message run until ctx ends; others get a short time, then are told to
// retry. It returns after the last handler.
func (s *Server) Stop(ctx context.Context) {
	s.mu.Lock()
	s.stopping = true
	ln := s.ln
	open := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		open = append(open, c)
	}
	s.mu.Unlock()
	if ln != nil {
		ln.Close()
	}
	for _, c := range open {
		c.askToGo()
	}
	conns.Leave(ctx, &s.open, func() {
		for _, c := range open {
			c.abort()
		}
	})
	s.workers.Stop()
}
