package listen

import (
	"context"
	"testing"
	"time"

	"github.com/sluiceio/sluice/internal/listen/http1"
	"github.com/sluiceio/sluice/internal/listen/listentest"
)

// says1 answers plain requests.
type says1 string

func (s says1) Take(http1.Head) http1.Exchange { return s }
func (s says1) Grow(int) error                 { return nil }
func (s says1) Patience() time.Duration        { return time.Minute }
func (s says1) End()                           {}
func (s says1) Serve(context.Context, []byte, error) http1.Reply {
	return http1.Reply{Status: 200, Type: "x", Body: []byte(s)}
}

func saysBoth(address, plain, rest string) HTTP {
	h := says(address, rest)
	h.Plain = says1(plain)
	return h
}

// TestPlainConnectionsOutliveAReload, like those of net/http, which have the rest of the requests.
func TestPlainConnectionsOutliveAReload(t *testing.T) {
	l, address := testListeners(t)
	first := l.mustServe(t, saysBoth(address, "one", "rest one"))
	quiet, busy, rest := listentest.Dial(t, address), listentest.Dial(t, address), listentest.Dial(t, address)
	quiet.Post()
	quiet.Want("200 one")
	busy.Post()
	busy.Want("200 one")
	rest.Post()
	rest.Want("200 one")
	rest.Send()
	rest.Want("200 rest one")

	l.Hold()
	first.Stop(t.Context())
	busy.Post()
	rest.Post()
	time.Sleep(20 * time.Millisecond)
	second := l.mustServe(t, saysBoth(address, "two", "rest two"))
	l.Sweep()
	busy.Want("200 two")
	rest.Want("200 rest two") // a connection that was handed over stays there
	quiet.Post()
	quiet.Want("200 two")

	second.Stop(t.Context()) // not in a reload: the connections end
	for _, c := range []*listentest.Client{quiet, busy, rest} {
		c.Want(listentest.HungUp)
	}
}

// TestPlainRequestsWithoutANextGraph are told to come again, and their connections end.
func TestPlainRequestsWithoutANextGraph(t *testing.T) {
	l, address := testListeners(t)
	first := l.mustServe(t, saysBoth(address, "one", ""))
	idle, busy := listentest.Dial(t, address), listentest.Dial(t, address)
	for _, c := range []*listentest.Client{idle, busy} {
		c.Post()
		c.Want("200 one")
	}
	l.Hold()
	first.Stop(t.Context())
	busy.Post()
	time.Sleep(20 * time.Millisecond)
	l.Sweep()
	busy.Want("503 " + replaced + "\n")
	busy.Want(listentest.HungUp)
	idle.Want(listentest.HungUp)
}

// TestStopCutsPlainRequestsOff at the end of its time, in a reload as at the end.
func TestStopCutsPlainRequestsOff(t *testing.T) {
	for _, reload := range []bool{true, false} {
		l, address := testListeners(t)
		h := saysBoth(address, "", "")
		waits := &waiting{entered: make(chan struct{})}
		h.Plain = waits
		v := l.mustServe(t, h)
		c := listentest.Dial(t, address)
		c.Post()
		<-waits.entered
		if reload {
			l.Hold()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		v.Stop(ctx)
		cancel()
		if !waits.left {
			t.Error("Stop returned while a handler was inside")
		}
		c.Want(listentest.HungUp)
	}
}

// waiting is a handler that waits for the end of its request.
type waiting struct {
	says1
	entered chan struct{}
	left    bool
}

func (w *waiting) Take(http1.Head) http1.Exchange { return w }
func (w *waiting) Serve(ctx context.Context, _ []byte, _ error) http1.Reply {
	close(w.entered)
	<-ctx.Done()
	time.Sleep(10 * time.Millisecond)
	w.left = true
	return http1.Reply{Status: 503, Type: "x"}
}
