package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRequests: whole, in parts of any size, one behind the other, and before the answer to the one before.
func TestRequests(t *testing.T) {
	inTime(t, func(t *testing.T, b *bench) {
		c := b.dial()
		c.say(post("/a", 3, "abc"))
		c.want("200 abc")
		for _, part := range strings.Split(post("/a", 300, strings.Repeat("x", 300)), "") {
			c.say(part)
		}
		c.want("200 " + strings.Repeat("x", 300))
		long := strings.Repeat("y", 200_000)
		c.say(post("/a", 0, "") + "\r\n" + post("/a", len(long), long) + post("/a", 1, "z"))
		c.want("200 , 200 " + long + ", 200 z")
	})
}

// TestPipelinedRequestsAreServedOneByOne, in their order.
func TestPipelinedRequestsAreServedOneByOne(t *testing.T) {
	inTime(t, func(t *testing.T, b *bench) {
		inside := 0
		b.serve = func(_ context.Context, _, body string, _ error) Reply {
			inside++
			if inside != 1 {
				t.Error("two requests of a connection at once")
			}
			time.Sleep(time.Second)
			inside--
			return Reply{Status: 200, Type: "t", Body: []byte(body)}
		}
		c := b.dial()
		go c.say(post("/a", 1, "1") + post("/a", 1, "2") + "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + post("/a", 1, "3"))
		time.Sleep(5 * time.Second)
		c.want("200 1, 200 2, 200 net/http: GET , 200 net/http: POST 3")
	})
}

// TestWhatIsNotUnderstoodIsHandedOver with what came of it, and the connection with it.
func TestWhatIsNotUnderstoodIsHandedOver(t *testing.T) {
	inTime(t, func(t *testing.T, b *bench) {
		chunked := "POST /a HTTP/1.1\r\nHost: x\r\nContent-Type: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
		c := b.dial()
		c.say(post("/a", 1, "1"))
		c.say(chunked + post("/a", 1, "2"))
		c.want("200 1, 200 net/http: POST abc, 200 net/http: POST 2")
		time.Sleep(time.Hour) // our deadlines are off
		c.say(post("/a", 1, "3"))
		c.want("200 net/http: POST 3")

		c = b.dial()
		c.say(strings.Replace(post("/a", 5, "hello"), "Type: t", "Type: other", 1)) // by the handler's word
		c.want("200 net/http: POST hello")

		c = b.dial()
		c.say("POST /a HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 2*maxHead))
		c.say("\r\nContent-Length: 2\r\n\r\nhi")
		c.want("200 net/http: POST hi")
	})
}

// TestTimeouts: of a head, between requests, and of a body.
func TestTimeouts(t *testing.T) {
	for _, test := range []struct {
		name, say string
		after     time.Duration
		want      string
	}{
		{"nothing", "", 10 * time.Second, "EOF"},
		{"a part of a head", "POST /a HT", 10 * time.Second, "EOF"},
		{"an idle connection", post("/a", 1, "x"), time.Minute, "200 x, EOF"},
		{"a head behind a request", post("/a", 1, "x") + "POST", 10 * time.Second, "200 x, EOF"},
		{"a line end behind a request", post("/a", 1, "x") + "\r\n", time.Minute, "200 x, EOF"},
		{"no body", post("/a", 10, ""), patience, "503 the body came too slowly close, EOF"},
		{"a part of a body", post("/a", 10, "x"), patience, "503 the body came too slowly close, EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inTime(t, func(t *testing.T, b *bench) {
				c := b.dial()
				c.say(test.say)
				time.Sleep(test.after - time.Millisecond)
				if got := c.answers(); strings.HasSuffix(got, "EOF") {
					t.Errorf("the connection ended early: %q", got)
				}
				c = b.dial()
				c.say(test.say)
				time.Sleep(test.after + time.Millisecond)
				c.want(test.want)
			})
		})
	}
}

// TestASlowBodyMayTakeItsTime as long as bytes come.
func TestASlowBodyMayTakeItsTime(t *testing.T) {
	inTime(t, func(t *testing.T, b *bench) {
		const step = 20 << 10
		c := b.dial()
		c.say(post("/a", 10*step, ""))
		for range 10 {
			time.Sleep(patience / 4)
			c.say(strings.Repeat("x", step))
		}
		c.want("200 " + strings.Repeat("x", 10*step))
	})
}

// TestIdleIsCountedFromTheAnswer, however long that took.
func TestIdleIsCountedFromTheAnswer(t *testing.T) {
	inTime(t, func(t *testing.T, b *bench) {
		b.serve = func(context.Context, string, string, error) Reply {
			time.Sleep(10 * time.Minute)
			return Reply{Status: 200, Type: "t"}
		}
		c := b.dial()
		c.say(post("/a", 1, "x"))
		time.Sleep(11*time.Minute - time.Second)
		c.want("200 ")
		time.Sleep(2 * time.Second)
		c.want("EOF")
	})
}

// TestAClientThatLeavesEndsItsRequest: its context after a moment, in which it may only have said that it sends no more; its
// turn when the handler returned.
func TestAClientThatLeavesEndsItsRequest(t *testing.T) {
	inTime(t, func(t *testing.T, b *bench) {
		var ended time.Duration
		b.serve = func(ctx context.Context, _, _ string, _ error) Reply {
			begin := time.Now()
			<-ctx.Done()
			ended = time.Since(begin)
			return Reply{Status: 503, Type: "t"}
		}
		c := b.dial()
		c.say(post("/a", 1, "x"))
		time.Sleep(3 * time.Second)
		if b.inside.Load() != 1 {
			t.Error("the request is not inside")
		}
		c.Close()
		time.Sleep(HalfClosedTime)
		synctest.Wait()
		if ended != 3*time.Second+HalfClosedTime || b.inside.Load() != 0 {
			t.Errorf("the handler ended after %s, %d are inside", ended, b.inside.Load())
		}
		var fault error
		b.serve = func(_ context.Context, _, _ string, err error) Reply {
			fault = err
			return Reply{Status: 400, Type: "t"}
		}
		c = b.dial()
		c.say(post("/a", 10, "x"))
		c.Close()
		time.Sleep(HalfClosedTime)
		synctest.Wait()
		if fault == nil || fault.Error() != "unexpected EOF" {
			t.Errorf("the handler was told %v", fault)
		}
	})
}

// TestARefusedBodyIsReadAndDropped, so that the answer comes behind it and the connection stays.
func TestARefusedBodyIsReadAndDropped(t *testing.T) {
	inTime(t, func(t *testing.T, b *bench) {
		most := 0
		b.grow = func(n int) error {
			if n > 50_000 {
				return errors.New("no room")
			}
			most = n
			return nil
		}
		c := b.dial()
		c.say(post("/a", 200_000, strings.Repeat("x", 100_000)))
		c.want("")
		c.say(strings.Repeat("x", 100_000) + post("/a", 1, "y"))
		c.want("503 no room, 200 y")
		if most > 50_000 {
			t.Errorf("%d bytes were held", most)
		}
	})
}

// TestAHandlerThatPanics costs its connection only.
func TestAHandlerThatPanics(t *testing.T) {
	inTime(t, func(t *testing.T, b *bench) {
		echo := b.serve
		b.serve = func(context.Context, string, string, error) Reply { panic("no") }
		c := b.dial()
		c.say(post("/a", 1, "x"))
		c.want("EOF")
		b.serve = echo
		c = b.dial()
		c.say(post("/a", 1, "x"))
		c.want("200 x")
	})
}

// TestShutdown: idle connections end at once, requests that are inside are answered, others wait for the end.
func TestShutdown(t *testing.T) {
	inTime(t, func(t *testing.T, b *bench) {
		b.serve = func(_ context.Context, path, body string, err error) Reply {
			if path == "/slow" {
				time.Sleep(3 * time.Second)
			}
			if err != nil {
				body = err.Error()
			}
			return Reply{Status: 200, Type: "t", Body: []byte(body)}
		}
		idle, busy, young, half := b.dial(), b.dial(), b.dial(), b.dial()
		idle.say(post("/a", 1, "x"))
		busy.say(post("/slow", 1, "x"))
		half.say(post("/a", 10, "x"))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		b.stopping.Store(true)
		b.srv.Hurry(func(Turn) bool { return true })
		done := make(chan time.Duration)
		go func() {
			b.srv.Shutdown(ctx)
			done <- time.Since(begin)
		}()
		idle.want("200 x, EOF")
		time.Sleep(time.Millisecond)
		young.say(post("/a", 1, "y"))
		young.want("200 y close, EOF")
		time.Sleep(stopGrace)
		half.want("200 the receiver is stopping or being reconfigured close, EOF")
		if took := <-done; took != 3*time.Second {
			t.Errorf("it took %s, want 3 s", took)
		}
		busy.want("200 x close, EOF")
	})
}

// TestTheEndOfAShutdownCutsOff what is inside, and waits for its handlers.
func TestTheEndOfAShutdownCutsOff(t *testing.T) {
	inTime(t, func(t *testing.T, b *bench) {
		b.serve = func(ctx context.Context, _, _ string, _ error) Reply {
			<-ctx.Done()
			time.Sleep(time.Second)
			return Reply{Status: 503, Type: "t"}
		}
		c, head := b.dial(), b.dial()
		c.say(post("/a", 1, "x"))
		head.say("POST /a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b.srv.Shutdown(ctx)
		if n := b.inside.Load(); n != 0 {
			t.Errorf("%d are inside behind Shutdown", n)
		}
		c.want("EOF")
		head.want("EOF")
	})
}

// TestNobodyServes: the request is answered, body or not.
func TestNobodyServes(t *testing.T) {
	inTime(t, func(t *testing.T, b *bench) {
		b.nobody = true
		c := b.dial()
		c.say(post("/a", 3, "abc") + post("/a", 0, ""))
		c.want("503 nobody, 503 nobody")
		c.say(post("/a", 3, "ab"))
		time.Sleep(stopGrace)
		c.want("503 nobody close, EOF")
	})
}

// TestAPeerThatDoesNotRead loses its connection.
func TestAPeerThatDoesNotRead(t *testing.T) {
	inTime(t, func(t *testing.T, b *bench) {
		mine, its := net.Pipe()
		b.ln.conns <- its
		mine.Write([]byte(post("/a", 1, "x")))
		time.Sleep(29 * time.Second)
		if len(b.srv.all()) != 1 {
			t.Error("the connection ended early")
		}
		time.Sleep(2 * time.Second)
		if n := len(b.srv.all()); n != 0 {
			t.Errorf("%d connections are open", n)
		}
		mine.Close()
	})
}

// TestAnAnswerThatIsWrittenDuringShutdown ends its connection, although it did not say so.
func TestAnAnswerThatIsWrittenDuringShutdown(t *testing.T) {
	inTime(t, func(t *testing.T, b *bench) {
		mine, its := net.Pipe()
		b.ln.conns <- its
		mine.Write([]byte(post("/a", 1, "x")))
		synctest.Wait() // the worker writes, and nobody reads
		begin := time.Now()
		done := make(chan struct{})
		go func() {
			b.srv.Shutdown(t.Context())
			close(done)
		}()
		time.Sleep(time.Second)
		io.Copy(io.Discard, mine)
		<-done
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %s", took)
		}
		mine.Close()
	})
}
