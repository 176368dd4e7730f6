package http1

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
)

func (s *Server) serve(c *conn, out []byte) []byte {
	r, ok := c.call()
	c.x.End()
	c.x = nil
	c.body.Release()
	if c.turn != nil {
		c.turn.Leave()
		c.turn = nil
	}
	if !ok {
		c.abort()
	} else {
		c.last = c.last || s.stopping.Load()
		out = s.appendReply(out[:0], &r, c.last)
		c.write(out)
	}
	c.mu.Lock()
	c.phase, c.idleSince, c.ended = waiting, time.Now(), c.last
	if c.last || s.stopping.Load() { // it may have begun behind the answer
		c.nudgeLocked()
	}
	c.mu.Unlock()
	<-c.serves
	return out
}

// call runs the handler. If it panics there is no answer, as in net/http.
func (c *conn) call() (r Reply, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			c.srv.opt.Log.Error("BUG: a request panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	return c.x.Serve(c.ctx, c.body.Bytes(), c.fault), true
}

type nobody struct{ s *Server }

func (n nobody) Grow(int) error                             { return errCut }
func (n nobody) Patience() time.Duration                    { return time.Second }
func (n nobody) Serve(context.Context, []byte, error) Reply { return n.s.opt.Nobody }
func (n nobody) End()                                       {}

// write writes b at once. A peer that does not read loses its connection.
func (c *conn) write(b []byte) {
	if t := c.srv.opt.WriteTimeout; t > 0 {
		if now := time.Now(); c.writeBy.Sub(now) < t/2 { // seldom: a deadline costs more than a look at the clock
			c.writeBy = now.Add(t)
			c.nc.SetWriteDeadline(c.writeBy)
		}
	}
	if _, err := c.nc.Write(b); err != nil {
		c.abort()
	}
}

func (s *Server) appendReply(dst []byte, r *Reply, last bool) []byte {
	if r.Status == http.StatusOK {
		dst = append(dst, "HTTP/1.1 200 OK\r\nContent-Type: "...)
	} else {
		dst = append(dst, "HTTP/1.1 "...)
		dst = strconv.AppendInt(dst, int64(r.Status), 10)
		dst = append(append(dst, ' '), http.StatusText(r.Status)...)
		dst = append(dst, "\r\nContent-Type: "...)
	}
	dst = append(append(dst, r.Type...), "\r\n"...)
	for _, f := range r.Fields {
		dst = append(append(append(append(dst, f[0]...), ": "...), f[1]...), "\r\n"...)
	}
	dst = append(append(dst, "Date: "...), s.now()...)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(r.Body)), 10)
	if last {
		dst = append(dst, "\r\nConnection: close"...)
	}
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, r.Body...)
}

type date struct {
	second int64
	text   string
}

func (s *Server) now() string {
	t := time.Now()
	d := s.date.Load()
	if d == nil || d.second != t.Unix() {
		d = &date{t.Unix(), t.UTC().Format(http.TimeFormat)}
		s.date.Store(d)
	}
	return d.text
}
