package http1

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener in memory, so that tests have their own time.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	gone  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.gone:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.gone) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// bench is a server under test, with everything around it.
type bench struct {
	t    *testing.T
	srv  *Server
	ln   *pipes
	rest *http.Server

	serve    func(ctx context.Context, path, body string, err error) Reply
	grow     func(int) error
	nobody   bool
	stopping atomic.Bool
	inside   atomic.Int64 // turns
	open     atomic.Int64 // exchanges
}

const patience = 5 * time.Second

// inTime runs a test in synthetic time. The handler echoes, and net/http says so when it is its turn.
func inTime(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, ln: &pipes{conns: make(chan net.Conn), gone: make(chan struct{})}}
		b.serve = func(_ context.Context, _, body string, err error) Reply {
			if err != nil {
				return Reply{Status: 503, Type: "t", Body: []byte(err.Error())}
			}
			return Reply{Status: 200, Type: "t", Body: []byte(body)}
		}
		b.grow = func(int) error { return nil }
		b.srv = New(b.ln, Options{
			Enter: b.enter, Nobody: Reply{Status: 503, Type: "t", Body: []byte("nobody")}, Log: slog.New(slog.DiscardHandler),
			HeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, WriteTimeout: 30 * time.Second,
		})
		b.rest = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "net/http: %s %s", r.Method, body)
		})}
		go b.srv.Serve()
		go b.rest.Serve(b.srv.Rest())
		test(t, b)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b.srv.Shutdown(ctx)
		b.rest.Close()
		b.srv.Rest().Close()
		if n := b.inside.Load(); n != 0 {
			t.Errorf("%d requests are still inside", n)
		}
		if n := b.open.Load(); n != 0 {
			t.Errorf("%d exchanges were not ended", n)
		}
	})
}

func (b *bench) enter() Turn {
	if b.nobody {
		return nil
	}
	b.inside.Add(1)
	return &turn{b}
}

type turn struct{ *bench }

func (v *turn) Leave()         { v.inside.Add(-1) }
func (v *turn) Stopping() bool { return v.stopping.Load() }
func (v *turn) Take(h Head) Exchange {
	if string(h.Type) != "t" {
		return nil
	}
	v.open.Add(1)
	return &exchange{b: v.bench, path: string(h.Path)}
}

type exchange struct {
	b    *bench
	path string
}

func (x *exchange) Grow(n int) error        { return x.b.grow(n) }
func (x *exchange) Patience() time.Duration { return patience }
func (x *exchange) End()                    { x.b.open.Add(-1) }
func (x *exchange) Serve(ctx context.Context, body []byte, err error) Reply {
	return x.b.serve(ctx, x.path, string(body), err)
}

// client is one connection. What the server says is collected as it comes.
type client struct {
	t *testing.T
	net.Conn
	mu    sync.Mutex
	got   strings.Builder
	ended bool
}

func (b *bench) dial() *client {
	mine, its := net.Pipe()
	c := &client{t: b.t, Conn: mine}
	b.ln.conns <- its
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := mine.Read(buf)
			c.mu.Lock()
			c.got.Write(buf[:n])
			c.ended = c.ended || err != nil
			c.mu.Unlock()
			if err != nil {
				mine.Close()
				return
			}
		}
	}()
	b.t.Cleanup(func() { mine.Close() })
	return c
}

func (c *client) say(text string) {
	io.WriteString(c.Conn, text)
	synctest.Wait()
}

// post is a request with a body of the length, of which text came.
func post(path string, length int, text string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: t\r\nContent-Length: %d\r\n\r\n%s", path, length, text)
}

// answers are those that came since the last call, each as its status and body.
func (c *client) answers() string {
	c.t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for r := bufio.NewReader(strings.NewReader(c.got.String())); ; {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			break
		}
		text, err := io.ReadAll(res.Body)
		if err != nil {
			c.t.Errorf("an answer's body: %v", err)
		}
		s := fmt.Sprint(res.StatusCode, " ", string(text))
		if res.Close {
			s += " close"
		}
		out = append(out, s)
	}
	c.got.Reset()
	if c.ended {
		out = append(out, "EOF")
	}
	return strings.Join(out, ", ")
}

func (c *client) want(what string) {
	c.t.Helper()
	if got := c.answers(); got != what {
		c.t.Errorf("got %.200q, want %.200q", got, what)
	}
}
