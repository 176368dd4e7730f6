package grpcserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/net/http2"
)

// life holds the deadlines of a connection. It belongs to the reading goroutine.
type life struct {
	born     time.Time
	ageEnd   time.Time // by Keepalive.MaxConnectionAge; zero: never
	greeted  bool      // the client preface arrived
	going    bool      // the first GOAWAY was sent
	left     bool      // the client confirmed it, or the time is over
	goBy     time.Time // end of that time
	cutBy    time.Time // when Stop cuts calls whose message is incomplete; zero: never
	pingedAt time.Time // time of our pending ping; zero: none
	armed    time.Time // read deadline; zero: none

	lastPing time.Time // from the client
	strikes  int       // pings that came too early
}

const (
	greetTimeout = 10 * time.Second       // for TLS and the client preface
	goGrace      = time.Second            // from the first GOAWAY to the final one
	lingerTime   = 500 * time.Millisecond // for the peer to read our last bytes
	stuckTimeout = 30 * time.Second       // for an answer to get a window
	maxStrikes   = 2                      // as in grpc-go
	idlePingTime = 2 * time.Hour          // minimum between pings without a call, as in grpc-go
)

var (
	goPing   = [8]byte{'g', 'o', 'i', 'n', 'g'}
	lifePing = [8]byte{'a', 'l', 'i', 'v', 'e'}

	preface = []byte(http2.ClientPreface)
)

// errLeft ends a connection that has finished its work.
var errLeft = errors.New("nothing more to do")

func (c *conn) greet() error {
	c.arm(c.life.born.Add(greetTimeout))
	if t := c.srv.opt.TLS; t != nil {
		secure := tls.Server(c.sock, t)
		c.sock.SetWriteDeadline(c.life.born.Add(greetTimeout))
		if err := secure.HandshakeContext(c.ctx); err != nil {
			var plain tls.RecordHeaderError
			if errors.As(err, &plain) && plain.Conn != nil && looksLikeHTTP(plain.RecordHeader[:]) {
				answerHTTP1(plain.Conn, "this port speaks TLS only")
			}
			return fmt.Errorf("TLS handshake: %w", err)
		}
		c.nc = secure
	}
	c.in.Init(c.nc, &c.srv.reads, c.woken)
	for _, n := range []int{4, len(preface)} { // an HTTP/1 request may be shorter than the preface
		b, err := c.in.Peek(n)
		if err != nil {
			return err
		}
		if string(b) != string(preface[:n]) {
			if n == 4 && looksLikeHTTP(b) {
				answerHTTP1(c.nc, c.srv.opt.NotHTTP2)
				c.linger()
			}
			return errors.New("the client does not speak HTTP/2")
		}
	}
	c.in.Take(len(preface))
	c.life.greeted = true
	if age := c.srv.opt.Keepalive.MaxConnectionAge; age > 0 {
		jitter := time.Duration((rand.Float64()*0.2 - 0.1) * float64(age)) // jitter as in grpc-go, so that a fleet does not reconnect at once
		c.life.ageEnd = c.life.born.Add(age + jitter)
	}
	out := appendSettings(nil,
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(c.srv.opt.MaxStreams)},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHeaderList})
	c.write(appendWindowUpdate(out, 0, connectionWindow-initialWindow))
	return c.woken()
}

func looksLikeHTTP(b []byte) bool {
	for _, c := range b[:4] {
		if c != ' ' && c != '/' && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

func answerHTTP1(w net.Conn, text string) {
	w.SetWriteDeadline(time.Now().Add(time.Second))
	fmt.Fprintf(w, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s\n", len(text)+1, text)
}

// expect makes sure that the reader wakes by the given time.
func (c *conn) expect(at time.Time) {
	if c.life.armed.IsZero() || at.Before(c.life.armed) {
		c.arm(at)
	}
}

func (c *conn) arm(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life.armed = at
	if !c.nudged {
		c.sock.SetReadDeadline(at)
	}
}

// mu is held.
func (c *conn) nudgeLocked() {
	c.nudged = true
	c.sock.SetReadDeadline(time.Unix(1, 0))
}

// askToGo starts a graceful close. Safe for concurrent use.
func (c *conn) askToGo() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = true
	c.nudgeLocked()
}

// woken does what is due and sets the next deadline, when the read deadline has passed.
func (c *conn) woken() error {
	now, l, k := time.Now(), &c.life, &c.srv.opt.Keepalive
	c.mu.Lock()
	c.nudged = false
	asked, busy, idleSince, stuck, stuckSince := c.asked, c.busy, c.idleSince, c.stuck, c.stuckSince
	c.mu.Unlock()
	if !l.greeted {
		if asked || !now.Before(l.born.Add(greetTimeout)) {
			return errors.New("no preface came")
		}
		c.arm(l.born.Add(greetTimeout))
		return nil
	}
	var next time.Time
	due := func(at time.Time) bool {
		if !now.Before(at) {
			return true
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
		return false
	}
	old := !l.ageEnd.IsZero() && due(l.ageEnd)
	if old && k.MaxConnectionAgeGrace > 0 && due(l.ageEnd.Add(k.MaxConnectionAgeGrace)) {
		return errors.New("max_connection_age_grace is over")
	}
	idle := false
	if k.MaxConnectionIdle > 0 {
		if busy > 0 {
			idleSince = now
		}
		idle = due(idleSince.Add(k.MaxConnectionIdle))
	}
	if asked && l.cutBy.IsZero() {
		l.cutBy = now.Add(goGrace)
	}
	if (old || idle || asked) && !l.going {
		l.going, l.goBy = true, now.Add(goGrace)
		out := appendGoAway(c.out[:0], maxStreamID, http2.ErrCodeNo, "")
		c.write(appendPing(out, 0, goPing)) // the answer shows that the client has read the GOAWAY
	}
	if l.going && due(l.goBy) {
		if err := c.leave(); err != nil {
			return err
		}
	}
	if l.left && busy == 0 {
		return errLeft
	}
	c.cutMessages(now, due)
	if stuck > 0 && due(stuckSince.Add(stuckTimeout)) {
		return connError{http2.ErrCodeFlowControl, "no window for an answer"}
	}
	if k.Time > 0 {
		switch {
		case !l.pingedAt.IsZero() && c.in.Last.After(l.pingedAt):
			l.pingedAt = time.Time{}
		case !l.pingedAt.IsZero() && due(l.pingedAt.Add(k.Timeout)):
			return errors.New("no answer to a keepalive ping")
		}
		if l.pingedAt.IsZero() && due(c.in.Last.Add(k.Time)) {
			l.pingedAt = now
			c.write(appendPing(c.out[:0], 0, lifePing))
			due(now.Add(k.Timeout))
		}
	}
	c.arm(next)
	return nil
}

// cutMessages ends calls whose message is too slow or, during Stop, still incomplete.
func (c *conn) cutMessages(now time.Time, due func(time.Time) bool) {
	c.mu.Lock()
	var coming []*stream
	for _, st := range c.streams {
		if st.phase == receiving {
			coming = append(coming, st)
		}
	}
	c.mu.Unlock()
	stopping := !c.life.cutBy.IsZero() && due(c.life.cutBy)
	for _, st := range coming {
		switch {
		case stopping:
			c.refuse(st, errStopping)
		case due(st.dueBy(&c.srv.opt)):
			c.refuse(st, errSlow)
		}
	}
}

// leave sends the final GOAWAY: only calls already begun are served.
func (c *conn) leave() error {
	if c.life.left {
		return nil
	}
	c.life.left = true
	c.write(appendGoAway(c.out[:0], c.maxID, http2.ErrCodeNo, ""))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = true
	if c.busy == 0 {
		return errLeft
	}
	return nil
}

// linger lets the peer read our last bytes: closing at once discards them if its data is still on the way.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok {
		return
	}
	c.writing.Lock()
	half.CloseWrite()
	c.writing.Unlock()
	c.mu.Lock()
	c.nudged = true // keep the deadline for us
	c.sock.SetReadDeadline(time.Now().Add(lingerTime))
	c.mu.Unlock()
	io.Copy(io.Discard, c.nc)
}

// tooManyPings follows the rules of grpc-go.
func (c *conn) tooManyPings() bool {
	k, l, now := &c.srv.opt.Keepalive, &c.life, time.Now()
	c.mu.Lock()
	spoke, busy := c.spoke, c.busy
	c.spoke = false
	c.mu.Unlock()
	wait := k.MinTime
	if busy == 0 && !k.PermitWithoutStream {
		wait = idlePingTime
	}
	early := now.Before(l.lastPing.Add(wait))
	l.lastPing = now
	switch {
	case spoke:
		l.strikes = 0
	case early:
		l.strikes++
	}
	return l.strikes > maxStrikes
}
