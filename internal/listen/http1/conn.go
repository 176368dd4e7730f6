package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/conns"
)

// conn is one connection. Fields above mu belong to the reading goroutine, or to the worker while it serves.
type conn struct {
	srv    *Server
	nc     net.Conn
	peer   string
	ctx    context.Context // of all its requests
	cancel context.CancelFunc
	in     conns.Input
	serves chan struct{} // full while a worker has the request

	turn    Turn
	x       Exchange
	body    conns.Body
	rest    int   // bytes of the body that did not come yet
	fault   error // why the body is not whole
	served  bool  // there was a request
	last    bool  // the connection ends behind this request, and its answer says so
	writeBy time.Time
	life    life

	mu        sync.Mutex
	phase     phase
	idleSince time.Time // when the last answer was written
	cutBy     time.Time // when the body is over that comes, because of a stop; zero for never
	ended     bool      // the answer said that the connection ends
	nudged    bool      // the read deadline is in the past, to wake the reader
	handed    bool      // the connection is net/http's
}

type phase uint8

const (
	fresh     phase = iota // no request came yet
	waiting                // for the next one
	heading                // a part of its head is here
	receiving              // a part of its body is
	running
)

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{srv: s, nc: nc, peer: nc.RemoteAddr().String(), serves: make(chan struct{}, 1)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.life.since = time.Now()
	c.in.Init(nc, &s.reads, c.woken)
	return c
}

// abort closes the connection and cancels its requests. Any goroutine may call it.
func (c *conn) abort() {
	c.cancel()
	c.nc.Close()
}

var (
	errLeft    = errors.New("nothing more to do")
	errForeign = errors.New("a request for net/http")
	errCut     = errors.New("the body is not waited for any more")
)

// serve reads the connection to its end, or returns it when net/http must go on.
func (c *conn) serve() net.Conn {
	err := c.read()
	if errors.Is(err, errForeign) {
		return c.handOver()
	}
	if errors.Is(err, io.EOF) {
		c.halfClosed()
	}
	c.cancel()
	c.serves <- struct{}{} // behind the last handler
	if errors.Is(err, errLeft) {
		c.linger()
	} else {
		c.srv.opt.Log.Debug("connection over", "peer", c.peer, "error", err)
	}
	c.abort()
	c.in.Take(len(c.in.Buffered()))
	c.in.GiveBack()
	return nil
}

func (c *conn) read() error {
	if err := c.woken(); err != nil { // sets the first deadline
		return err
	}
	for {
		h, err := c.head()
		if err != nil {
			return err
		}
		if err := c.request(h); err != nil {
			return err
		}
	}
}

// head reads the next head. While a worker serves the previous request, it only watches for a disconnect.
func (c *conn) head() (Head, error) {
	for len(c.in.Buffered()) == 0 {
		if _, err := c.in.Fill(); err != nil {
			return Head{}, err
		}
	}
	c.serves <- struct{}{} // pipelined requests are served in their order
	<-c.serves
	if c.last {
		return Head{}, errLeft
	}
	begun, ready := false, !c.served // ready for a head
	for {
		if ready = ready || c.dropLineEnds(); ready {
			switch h, n, v := parse(c.in.Buffered()); v {
			case ours:
				h.Peer = c.peer
				return h, c.enter(h, n)
			case foreign:
				return h, errForeign
			}
		}
		if ready && !begun {
			begun = true
			c.begin(heading)
		}
		if _, err := c.in.Fill(); err != nil {
			if errors.Is(err, io.EOF) && ready && len(c.in.Buffered()) > 0 {
				err = errForeign // net/http says what it thinks of half a head
			}
			return Head{}, err
		}
	}
}

// dropLineEnds drops line ends after the body of a POST, which old clients send, as net/http does. It needs four
// bytes.
func (c *conn) dropLineEnds() bool {
	b := c.in.Buffered()
	if len(b) < 4 {
		return false
	}
	n := 0
	for n < 4 && (b[n] == '\r' || b[n] == '\n') {
		n++
	}
	c.in.Take(n)
	return true
}

func (c *conn) enter(h Head, n int) error {
	if c.turn = c.srv.opt.Enter(); c.turn == nil {
		c.in.Take(n)
		c.x = nobody{c.srv}
		return nil
	}
	if c.x = c.turn.Take(h); c.x == nil {
		c.turn.Leave()
		return errForeign
	}
	c.in.Take(n)
	return nil
}

func (c *conn) request(h Head) error {
	c.body = conns.Body{Declared: h.Length}
	c.rest, c.fault = h.Length, nil
	if err := c.receive(); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if c.fault == nil {
			c.fault = err
		}
		c.last = errors.Is(err, errCut)
	}
	c.mu.Lock()
	c.phase = running
	c.cutBy = time.Time{}
	c.mu.Unlock()
	c.served = true
	c.serves <- struct{}{}
	c.srv.workers.Run(c)
	return nil
}

func (c *conn) receive() error {
	begun := false
	for c.rest > 0 {
		if !begun && len(c.in.Buffered()) == 0 {
			begun = true
			c.begin(receiving)
		}
		n, err := c.some()
		if err != nil {
			return err
		}
		c.rest -= n
	}
	return nil
}

func (c *conn) some() (n int, err error) {
	if c.fault == nil {
		dst, err := c.body.Next(c.rest, c.x.Grow)
		if err == nil {
			n, err = c.in.Read(dst)
			c.body.Took(n)
			return n, err
		}
		c.fault = err
		c.body.Release()
	}
	b, err := c.in.Some(c.rest)
	c.in.Take(len(b))
	return len(b), err
}
