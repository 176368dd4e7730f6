package pipelinetest

import (
	"net"
	"sync"
	"testing"
)

// A Proxy forwards TCP connections until Silence: then open ones stay open but pass nothing, as behind a firewall
// that forgot them. New ones work.
type Proxy struct {
	Addr string

	mu    sync.Mutex
	quiet []chan struct{} // of the connections that work
}

// NewProxy runs a proxy for the duration of the test.
func NewProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: ln.Addr().String()}
	var conns sync.WaitGroup
	ended := make(chan struct{})
	conns.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			quiet := make(chan struct{})
			p.mu.Lock()
			p.quiet = append(p.quiet, quiet)
			p.mu.Unlock()
			conns.Go(func() { forward(in, out, quiet) })
			conns.Go(func() { forward(out, in, quiet) })
			conns.Go(func() {
				<-ended
				in.Close()
				out.Close()
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		close(ended)
		conns.Wait()
	})
	return p
}

// forward copies until an end closes. After quiet it discards what it reads.
func forward(from, to net.Conn, quiet chan struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-quiet:
		default:
			if n > 0 {
				_, _ = to.Write(buf[:n])
			}
			if err != nil {
				to.Close()
			}
		}
		if err != nil {
			return
		}
	}
}

// Silence silences the open connections.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.quiet {
		close(q)
	}
	p.quiet = nil
}
