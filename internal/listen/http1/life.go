package http1

import (
	"errors"
	"io"
	"time"

	"github.com/sluiceio/sluice/internal/conns"
)

// life is the timing of a connection. It belongs to the reading goroutine.
type life struct {
	since time.Time // when the connection, or the head or body that comes, began
	armed time.Time // the read deadline; zero for none
}

const (
	stopGrace  = time.Second            // for a body that is on its way at a stop
	lingerTime = 500 * time.Millisecond // for the peer to read what we wrote last

	// HalfClosedTime is how long a request goes on when its client has closed the connection towards us. It may wait for the answer all
	// the same, or be gone: TCP does not tell.
	HalfClosedTime = time.Second
)

// halfClosed waits a moment for a running request.
func (c *conn) halfClosed() {
	t := time.NewTimer(HalfClosedTime)
	defer t.Stop()
	select {
	case c.serves <- struct{}{}:
		<-c.serves
	case <-t.C:
	case <-c.ctx.Done():
	}
}

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

// dueLocked is the deadline of the wait for the client; zero for none.
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

// woken handles a passed read deadline and arms the next one.
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

func (c *conn) nudgeLocked() {
	if !c.handed {
		c.nudged = true
		c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// nudge wakes the reader. Any goroutine may call it.
func (c *conn) nudge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nudgeLocked()
}

// hurry sets a short deadline for a body being received under a matching turn. Any goroutine may call it.
func (c *conn) hurry(of func(Turn) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == receiving && c.turn != nil && of(c.turn) && c.cutBy.IsZero() {
		c.cutBy = time.Now().Add(stopGrace)
		c.nudgeLocked()
	}
}

// linger lets the peer read the last answer: closing at once would discard it if data is in flight to us.
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
