package http1

import (
	"net"
	"slices"
	"sync"
	"time"
)

// handOver makes the connection net/http's, with the bytes already read.
func (c *conn) handOver() net.Conn {
	c.mu.Lock()
	c.handed = true
	c.nc.SetDeadline(time.Time{})
	c.mu.Unlock()
	c.cancel()
	b := &replayed{Conn: c.nc, first: slices.Clone(c.in.Buffered())}
	c.in.Take(len(b.first))
	c.in.GiveBack()
	return b
}

type replayed struct {
	net.Conn
	first []byte // this part
}

func (r *replayed) Read(p []byte) (int, error) {
	if len(r.first) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.first)
	if r.first = r.first[n:]; len(r.first) == 0 {
		r.first = nil
	}
	return n, nil
}

// CloseWrite is called by net/http before it closes a connection with an answer on it.
func (r *replayed) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// rest is a listener for handed-over connections.
type rest struct {
	addr   net.Addr
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (r *rest) give(c net.Conn) {
	select {
	case r.conns <- c:
	case <-r.closed:
		c.Close()
	}
}

func (r *rest) Accept() (net.Conn, error) {
	select {
	case c := <-r.conns:
		return c, nil
	case <-r.closed:
		return nil, net.ErrClosed
	}
}

func (r *rest) Close() error {
	r.once.Do(func() { close(r.closed) })
	return nil
}

func (r *rest) Addr() net.Addr { return r.addr }
