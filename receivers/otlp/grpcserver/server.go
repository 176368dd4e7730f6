// Package grpcserver serves unary gRPC calls whose messages are bytes. It speaks as much HTTP/2 as that needs and no
// more: no server push, no priorities, no streaming calls
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, RFC 9113).
//
// A connection has one goroutine, which reads. It reads a message into a pooled buffer, for which room is reserved as
// bytes come, and hands the whole call to a worker; the worker inflates the message, runs the handler and writes the
// answer in one piece. Everything about a message that is still coming belongs to the reading goroutine alone, timeouts
// too: they are read deadlines. What it shares with workers is under conn.mu.
//
// Read it in this order: server.go, conn.go (a connection and its frames), headers.go (how a call begins), message.go
// (how it comes in), worker.go (how it is served), answer.go (how it goes out), life.go (timeouts, keepalive, the end).
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

// A Handler serves one call. message is lent until it returns. ctx ends with the call's deadline, with its cancellation
// and with its connection. The answer is written when it returned; an error is answered as Options.StatusOf says.
type Handler func(ctx context.Context, message []byte, peer string) (answer []byte, err error)

// Options are what a Server is made of. All durations of 0 are "never" where not said otherwise.
type Options struct {
	Handlers map[string]Handler  // by path: "/package.Service/Method"
	StatusOf func(error) *Status // of the error of a handler, of the budget, and of what the server itself refuses (pipeline.Refused)
	Budget   *pipeline.Budget    // room for messages is reserved here, as their bytes come
	Log      *slog.Logger        // debug, and panics of handlers
	TLS      *tls.Config         // nil for plain text
	NotHTTP2 string              // what a client that speaks HTTP/1 is told, in a sentence

	MaxMessage  int           // bytes of a message, inflated
	MaxStreams  int           // calls at once on a connection
	ReadBuffer  int           // bytes; a connection has a buffer only while something is in it
	CallTimeout time.Duration // of a handler, from when its message was there; a client's shorter deadline wins
	Patience    time.Duration // how long a message may take, however small; see conns.MinRate
	Keepalive   Keepalive
}

// Keepalive is what gRPC servers do about connections, with the names and meanings of grpc-go's keepalive package.
type Keepalive struct {
	MaxConnectionIdle     time.Duration
	MaxConnectionAge      time.Duration
	MaxConnectionAgeGrace time.Duration
	Time                  time.Duration // without a sign of life, until a ping asks for one
	Timeout               time.Duration // of that ping's answer
	MinTime               time.Duration // between a client's pings
	PermitWithoutStream   bool          // whether a client may ping without a call
}

// Server is a gRPC server. Make one with New, give it a listener with Serve, end it with Stop.
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

// New makes a server. It starts nothing.
func New(o Options) *Server {
	s := &Server{opt: o, conns: map[*conn]struct{}{}, writeTimeout: writeTimeout}
	s.workers.Do = serve
	s.reads.New = func() any {
		b := make([]byte, o.ReadBuffer)
		return &b
	}
	return s
}

// Serve takes connections from ln until Stop. It returns nil then, else the listener's error.
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

// Stop takes no more calls. Those whose message is there finish until ctx ends, those whose message still comes have a
// moment; then they are told to come again. It returns behind the last handler.
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
