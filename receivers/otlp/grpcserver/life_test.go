package grpcserver

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/sluiceio/sluice/internal/conns"
)

// inTime runs f in a bubble of synthetic time with a server and a client that are joined by a pipe.
func inTime(t *testing.T, change func(*Options), f func(t *testing.T, s *Server, c *client)) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		if change != nil {
			change(&o)
		}
		s := New(o)
		ours, theirs := net.Pipe()
		s.start(ours)
		c := newClient(t, theirs)
		f(t, s, c)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		s.Stop(over)
		if n := o.Budget.Used(); n != 0 {
			t.Errorf("%d bytes are reserved after Stop", n)
		}
	})
}

// has fails unless the line came, after everything has settled.
func (c *client) has(line string, want bool) {
	c.t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lines {
		if l == line {
			if !want {
				c.t.Errorf("%q came already", line)
			}
			return
		}
	}
	if want {
		c.t.Errorf("got %q, not %q", c.lines, line)
	}
}

const slow = "1 HEADERS 200 14 the message came too slowly END"

// TestASlowSender is served as long as bytes come; one that stopped is told to come again.
func TestASlowSender(t *testing.T) {
	inTime(t, nil, func(t *testing.T, s *Server, c *client) {
		c.open(1, false)
		m := message(strings.Repeat("x", 4<<20))
		begin := time.Now()
		for at := 0; at < len(m); at += 10 << 10 {
			c.fr.WriteData(1, at+10<<10 >= len(m), m[at:min(at+10<<10, len(m))])
			time.Sleep(100 * time.Millisecond) // 100 KiB/s
		}
		if took := time.Since(begin); took < 40*time.Second {
			t.Fatal(took)
		}
		c.fr.WriteWindowUpdate(0, 8<<20)
		c.fr.WriteWindowUpdate(1, 8<<20)
		c.has("1 HEADERS 0 END", true)
	})
	inTime(t, nil, func(t *testing.T, s *Server, c *client) {
		c.open(1, false)
		c.fr.WriteData(1, false, message(strings.Repeat("x", 160<<10))[:16000]) // about a second's worth
		synctest.Wait()
		if n := s.opt.Budget.Used(); n > 3*2*16000 {
			t.Errorf("%d bytes are reserved for 16000", n)
		}
		time.Sleep(30 * time.Second)
		c.has(slow, false)
		time.Sleep(2 * time.Second)
		c.has(slow, true)
		if n := s.opt.Budget.Used(); n != 0 {
			t.Errorf("%d bytes are reserved", n)
		}
	})
}

// TestAStallInsideAFrame is cut like any other.
func TestAStallInsideAFrame(t *testing.T) {
	inTime(t, nil, func(t *testing.T, s *Server, c *client) {
		c.open(1, false)
		c.fr.WriteData(1, false, message(strings.Repeat("x", 160<<10))[:16000])
		go c.nc.Write(append(appendFrameHeader(nil, frameHeader{length: 16000, id: 1}), make([]byte, 5000)...))
		time.Sleep(40 * time.Second)
		c.has(slow, true)
		if n := s.opt.Budget.Used(); n != 0 {
			t.Errorf("%d bytes are reserved", n)
		}
		c.nc.Write(make([]byte, 11000))
		c.call(3, "hello")
		c.has("3 HEADERS 0 END", true)
	})
}

// TestAConnectionWithoutAPreface is closed.
func TestAConnectionWithoutAPreface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(options())
		ours, theirs := net.Pipe()
		s.start(ours)
		time.Sleep(greetTimeout - time.Millisecond)
		theirs.SetReadDeadline(time.Now().Add(time.Second))
		begin := time.Now()
		if _, err := theirs.Read(make([]byte, 1)); err == nil || time.Since(begin) > 2*time.Millisecond {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		s.Stop(t.Context())
	})
}

// TestStopIsBoundByWork: a call whose message is there finishes; one whose message still comes has a moment, and is
// then told to come again.
func TestStopIsBoundByWork(t *testing.T) {
	inTime(t, func(o *Options) {
		o.Handlers["/slow"] = func(context.Context, Call) ([]byte, error) {
			time.Sleep(5 * time.Second)
			return nil, nil
		}
	}, func(t *testing.T, s *Server, c *client) {
		c.open(1, false) // never goes on
		c.open(3, false) // goes on in time
		c.open(5, false, ":path", "/slow")
		c.fr.WriteData(5, true, message(""))
		synctest.Wait()
		begin, took := time.Now(), atomic.Int64{}
		go func() {
			s.Stop(t.Context())
			took.Store(int64(time.Since(begin)))
		}()
		c.has("GOAWAY 2147483647 NO_ERROR ", true)
		c.has("PING going", true)
		c.call(7, "before it heard") // is served
		c.fr.WritePing(true, goPing)
		c.has("GOAWAY 7 NO_ERROR ", true)
		c.has("7 HEADERS 0 END", true)
		c.call(9, "after")
		c.has("9 RST REFUSED_STREAM", true)
		time.Sleep(900 * time.Millisecond)
		c.fr.WriteData(3, true, message("hello"))
		c.has("3 HEADERS 0 END", true)
		stopped := "1 HEADERS 200 14 the server is stopping or being reconfigured END"
		c.has(stopped, false)
		time.Sleep(200 * time.Millisecond)
		c.has(stopped, true)
		c.has("5 HEADERS 0 END", false)
		time.Sleep(5 * time.Second)
		c.has("5 HEADERS 0 END", true)
		synctest.Wait()
		if d := time.Duration(took.Load()); d < 4*time.Second || d > 6*time.Second {
			t.Errorf("Stop took %s", d)
		}
	})
}

// TestStopWithIdleClients: clients that have nothing to say do not hold a reload, whether they answer or not.
func TestStopWithIdleClients(t *testing.T) {
	inTime(t, nil, func(t *testing.T, s *Server, c *client) {
		c.open(1, false)
		c.fr.WriteData(1, false, message("hello")[:6])
		synctest.Wait()
		begin := time.Now()
		s.Stop(t.Context())
		if d := time.Since(begin); d > 3*time.Second {
			t.Errorf("Stop took %s", d)
		}
	})
}

// TestStopCutsHandlersOff when its context ends, and returns behind them.
func TestStopCutsHandlersOff(t *testing.T) {
	var inside atomic.Bool
	inTime(t, func(o *Options) {
		o.CallTimeout = time.Hour
		o.Handlers[echo] = func(ctx context.Context, _ Call) ([]byte, error) {
			inside.Store(true)
			<-ctx.Done()
			time.Sleep(time.Second)
			inside.Store(false)
			return nil, ctx.Err()
		}
	}, func(t *testing.T, s *Server, c *client) {
		c.call(1, "hello")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		s.Stop(ctx)
		if inside.Load() {
			t.Error("a handler is inside after Stop")
		}
	})
}

// TestKeepalive is grpc-go's, with its names.
func TestKeepalive(t *testing.T) {
	inTime(t, func(o *Options) {
		o.Keepalive.Time, o.Keepalive.Timeout = time.Minute, 20*time.Second
	}, func(t *testing.T, s *Server, c *client) {
		time.Sleep(50 * time.Second)
		c.call(1, "hello")
		time.Sleep(50 * time.Second)
		c.has("PING alive", false)
		time.Sleep(15 * time.Second)
		c.has("PING alive", true)
		c.fr.WritePing(true, lifePing)
		time.Sleep(50 * time.Second)
		if c.over() {
			t.Error("closed although the client is alive")
		}
		time.Sleep(40 * time.Second)
		if !c.over() {
			t.Error("open although the client is dead")
		}
	})
	inTime(t, func(o *Options) { o.Keepalive.MaxConnectionIdle = time.Minute }, func(t *testing.T, s *Server, c *client) {
		time.Sleep(50 * time.Second)
		c.call(1, "hello")
		time.Sleep(50 * time.Second)
		if c.over() {
			t.Error("closed although it was used")
		}
		time.Sleep(20 * time.Second)
		c.has("GOAWAY 1 NO_ERROR ", true)
		if !c.over() {
			t.Error("open although it is idle")
		}
	})
	inTime(t, func(o *Options) {
		o.Keepalive.MaxConnectionAge, o.Keepalive.MaxConnectionAgeGrace = time.Minute, 10*time.Second
		o.CallTimeout = time.Hour
		o.Handlers[echo] = func(ctx context.Context, _ Call) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }
	}, func(t *testing.T, s *Server, c *client) {
		c.call(1, "hello")
		time.Sleep(53 * time.Second)
		c.has("GOAWAY 2147483647 NO_ERROR ", false)
		time.Sleep(15 * time.Second)
		c.has("GOAWAY 1 NO_ERROR ", true)
		time.Sleep(10 * time.Second)
		if !c.over() {
			t.Error("open although its grace is over")
		}
	})
}

// TestPings: a client that may not ping without calls may with them, and after each answer.
func TestPings(t *testing.T) {
	ping := [8]byte{'h', 'i'}
	inTime(t, func(o *Options) {
		o.Keepalive.MinTime, o.CallTimeout = 10*time.Second, time.Hour
		o.Handlers[echo] = func(ctx context.Context, _ Call) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }
	}, func(t *testing.T, s *Server, c *client) {
		c.call(1, "hello")
		for range 20 {
			c.fr.WritePing(false, ping)
			time.Sleep(11 * time.Second)
		}
		c.has("GOAWAY 1 ENHANCE_YOUR_CALM too_many_pings", false)
	})
	inTime(t, func(o *Options) { o.Keepalive.MinTime, o.Keepalive.PermitWithoutStream = 10*time.Second, true }, func(t *testing.T, s *Server, c *client) {
		for range 20 {
			c.fr.WritePing(false, ping)
			time.Sleep(11 * time.Second)
		}
		for range 4 {
			c.fr.WritePing(false, ping)
			time.Sleep(9 * time.Second)
		}
		c.has("GOAWAY 0 ENHANCE_YOUR_CALM too_many_pings", true)
	})
	inTime(t, nil, func(t *testing.T, s *Server, c *client) {
		for id := uint32(1); id < 40; id += 2 {
			c.call(id, "hello")
			synctest.Wait()
			c.fr.WritePing(false, ping)
		}
		c.has("PONG hi", true)
		if c.over() {
			t.Error("closed")
		}
	})
}

// TestAStuckAnswer: a client that gives no window for an answer does not hold it for ever.
func TestAStuckAnswer(t *testing.T) {
	inTime(t, nil, func(t *testing.T, s *Server, c *client) {
		c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		c.call(1, "hello")
		c.has("1 HEADERS 200", true)
		time.Sleep(stuckTimeout + time.Second)
		c.has("GOAWAY 1 FLOW_CONTROL_ERROR no window for an answer", true)
	})
}

// TestDeadlines: the shorter one of the client's and ours.
func TestDeadlines(t *testing.T) {
	var left time.Duration
	inTime(t, func(o *Options) {
		o.Handlers[echo] = func(ctx context.Context, _ Call) ([]byte, error) {
			end, _ := ctx.Deadline()
			left = time.Until(end)
			return nil, nil
		}
	}, func(t *testing.T, s *Server, c *client) {
		id := uint32(1)
		for timeout, want := range map[string]time.Duration{
			"": 8 * time.Second, "3S": 3 * time.Second, "1H": 8 * time.Second, "99999999H": 8 * time.Second, "250m": 250 * time.Millisecond,
			"4000u": 4 * time.Millisecond, "9000000n": 9 * time.Millisecond, "1M": 8 * time.Second, "0S": -1,
		} {
			if timeout == "" {
				c.open(id, false)
			} else {
				c.open(id, false, "grpc-timeout", timeout)
			}
			c.fr.WriteData(id, true, message(""))
			synctest.Wait()
			if timeout != "0S" && left != want || timeout == "0S" && left > 1 {
				t.Errorf("%q: %s are left, want %s", timeout, left, want)
			}
			id += 2
		}
	})
}

// TestCancel: a reset ends the handler's context, and so does the end of the connection.
func TestCancel(t *testing.T) {
	var ended atomic.Int32
	wait := func(o *Options) {
		o.Handlers[echo] = func(ctx context.Context, _ Call) ([]byte, error) {
			<-ctx.Done()
			ended.Add(1)
			return nil, ctx.Err()
		}
	}
	inTime(t, wait, func(t *testing.T, s *Server, c *client) {
		c.call(1, "hello")
		c.call(3, "hello")
		c.fr.WriteRSTStream(1, http2.ErrCodeCancel)
		synctest.Wait()
		if n := ended.Load(); n != 1 {
			t.Errorf("%d handlers ended after a reset, want 1", n)
		}
		c.nc.Close()
		synctest.Wait()
		if n := ended.Load(); n != 2 {
			t.Errorf("%d handlers ended with the connection, want 2", n)
		}
	})
}

// TestWorkersShrink: those that were needed once and not again end.
func TestWorkersShrink(t *testing.T) {
	leave := make(chan struct{})
	inTime(t, func(o *Options) {
		leave = make(chan struct{})
		o.Handlers["/wait"] = func(context.Context, Call) ([]byte, error) { <-leave; return nil, nil }
	}, func(t *testing.T, s *Server, c *client) {
		free := func() int {
			synctest.Wait()
			return s.workers.Idle()
		}
		for id := uint32(1); id < 201; id += 2 {
			c.open(id, false, ":path", "/wait")
			c.fr.WriteData(id, true, message(""))
		}
		synctest.Wait()
		close(leave)
		if n := free(); n != 100 {
			t.Errorf("%d workers are free behind 100 calls at once", n)
		}
		for id := uint32(201); id < 301; id += 2 {
			c.call(id, "")
			time.Sleep(time.Second)
		}
		if n := free(); n != 1 {
			t.Errorf("%d workers are free behind calls one after the other", n)
		}
		time.Sleep(3 * conns.TrimEvery)
		if n := free(); n != 0 {
			t.Errorf("%d workers are free behind no calls", n)
		}
	})
}

func (c *client) over() bool {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}
