package http1

import (
	"errors"
	"io"
	"time"

	"github.com/sluiceio/sluice/internal/conns"
)

// life is when things are due on a connection. It is the reading goroutine's.
type life struct {
	since time.Time // when the connection, or the head or body that comes, began
	armed time.Time // the read deadline; zero for none
}

const (
	stopGrace  = time.Second            // for a body that is on its way at a stop
	lingerTime = 500 * time.Millisecond // for the peer to read what we wrote last
)

// begin notes that a part of something is here and the rest is waited for.
func (c *conn) begin(p phase) {
	now := time.Now()
	c.life.since = now
	c.mu.Lock()
	c.phase = p
	if p == receiving && (c.turn == nil || c.turn.Stopping()) {
		c.cutBy = now.Add(stopGrace)
	}
	due := c.dueLocked()
	c.mu.Unlock()
	if !due.IsZero() && (c.life.armed.IsZero() || due.Before(c.life.armed)) {
		c.arm(due)
	}
}

// dueLocked is when the wait for the client is over; zero for never.
func (c *conn) dueLocked() time.Time {
	o := &c.srv.opt
	after := func(t time.Time, d time.Duration) time.Time {
		if d <= 0 {
			return time.Time{}
		}
		return t.Add(d)
	}
	switch c.phase {
	case fresh, heading:
		return after(c.life.since, o.HeaderTimeout)
	case waiting:
		return after(c.idleSince, o.IdleTimeout)
	case receiving:
		due := conns.DueBy(c.life.since, c.x.Patience(), c.body.Declared-c.rest)
		if !c.cutBy.IsZero() && c.cutBy.Before(due) {
			due = c.cutBy
		}
		return due
	}
	return after(time.Now(), o.IdleTimeout) // running: not before the client may be idle
}

// woken does what is due, and sets the time of what is due next. It is called when the read deadline passed.
func (c *conn) woken() error {
	now := time.Now()
	c.mu.Lock()
	c.nudged = false
	due, phase, ended := c.dueLocked(), c.phase, c.ended
	hurried := !c.cutBy.IsZero() && !now.Before(c.cutBy)
	c.mu.Unlock()
	switch {
	case ended, phase == waiting && c.srv.stopping.Load():
		return errLeft
	case due.IsZero() || now.Before(due):
		c.arm(due)
		return nil
	case phase != receiving:
		return errors.New("timeout")
	}
	if c.fault == nil {
		c.fault = ErrSlow
		if hurried {
			c.fault = ErrStopping
		}
	}
	c.arm(time.Time{})
	return errCut
}

func (c *conn) arm(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life.armed = at
	if !c.nudged && !c.handed {
		c.nc.SetReadDeadline(at)
	}
}

// nudgeLocked wakes the reader; mu is held.
func (c *conn) nudgeLocked() {
	if !c.handed {
		c.nudged = true
		c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// nudge has the reader look up. Any goroutine may call it.
func (c *conn) nudge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nudgeLocked()
}

// hurry gives the body a moment that is on its way under a turn of which of is true. Any goroutine may call it.
func (c *conn) hurry(of func(Turn) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == receiving && c.turn != nil && of(c.turn) && c.cutBy.IsZero() {
		c.cutBy = time.Now().Add(stopGrace)
		c.nudgeLocked()
	}
}

// linger gives the peer a moment to read what was written last: closing at once would discard it when something is on
// its way to us.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok {
		return
	}
	half.CloseWrite()
	c.mu.Lock()
	c.nudged = true // the deadline is ours now
	c.nc.SetReadDeadline(time.Now().Add(lingerTime))
	c.mu.Unlock()
	io.Copy(io.Discard, c.nc)
}
