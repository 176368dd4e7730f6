package listen

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/internal/listen/listentest"
)

var discard = slog.New(slog.DiscardHandler)

func says(address, text string) HTTP {
	return HTTP{Network: "tcp", Address: address, Server: &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }),
	}}
}

func (l *Listeners) mustServe(t *testing.T, h HTTP) *Serving {
	t.Helper()
	v, err := l.Serve(t.Context(), discard, l.Listen, h)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func testListeners(t *testing.T) (*Listeners, string) {
	l := New()
	t.Cleanup(l.Close)
	return l, "127.0.0.1:" + listentest.FreePort(t)
}

// TestConnectionsOutliveAReload: a request between two graphs waits, on the connection it came on.
func TestConnectionsOutliveAReload(t *testing.T) {
	l, address := testListeners(t)
	first := l.mustServe(t, says(address, "one"))
	quiet, busy := listentest.Dial(t, address), listentest.Dial(t, address)
	quiet.Send()
	quiet.Want("200 one")
	busy.Send()
	busy.Want("200 one")
	if _, err := l.Serve(t.Context(), discard, l.Listen, says(address, "two")); err == nil {
		t.Error("two components got the same server at once")
	}

	l.Hold()
	first.Stop(t.Context())
	busy.Send()
	time.Sleep(20 * time.Millisecond)
	second := l.mustServe(t, says(address, "two"))
	l.Sweep()
	busy.Want("200 two")
	quiet.Send()
	quiet.Want("200 two")
	first.Stop(t.Context()) // it has nothing to stop any more
	quiet.Send()
	quiet.Want("200 two")

	second.Stop(t.Context()) // not in a reload: the connections end
	quiet.Want(listentest.HungUp)
}

// TestAReloadWaitsForWhatIsInside and cuts off, with its connection, what the drain's time does not suffice for.
func TestAReloadWaitsForWhatIsInside(t *testing.T) {
	l, address := testListeners(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	h := says(address, "")
	h.Server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		select {
		case <-leave:
			io.WriteString(w, "late")
		case <-r.Context().Done():
		}
	})
	handler := h.Server.Handler
	slow := l.mustServe(t, h)
	c := listentest.Dial(t, address)
	c.Send()
	<-entered
	l.Hold()
	stopped := make(chan struct{})
	go func() {
		slow.Stop(t.Context())
		close(stopped)
	}()
	select {
	case <-stopped:
		t.Error("Stop did not wait for the request")
	case <-time.After(50 * time.Millisecond):
	}
	leave <- struct{}{}
	<-stopped
	c.Want("200 late")

	again := says(address, "")
	again.Server.Handler = handler
	slow = l.mustServe(t, again)
	l.Sweep()
	c.Send()
	<-entered
	l.Hold()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	slow.Stop(over)
	c.Want(listentest.HungUp)
	l.mustServe(t, says(address, "new"))
	l.Sweep()
	c = listentest.Dial(t, address)
	c.Send()
	c.Want("200 new")
}

// TestOtherTermsEndTheConnections: what came in under the old ones is told to come again.
func TestOtherTermsEndTheConnections(t *testing.T) {
	for _, change := range []func(*HTTP){
		func(h *HTTP) { h.Terms = "other" },
		func(h *HTTP) { h.Server.ReadTimeout = time.Minute },
		func(h *HTTP) { h.TLS = &tls.Config{} },
		func(h *HTTP) { h.Plain = says1("") },
		func(h *HTTP) { h.Address = "0.0.0.0" + h.Address[len("127.0.0.1"):] },
	} {
		l, address := testListeners(t)
		first := l.mustServe(t, says(address, "one"))
		idle, busy := listentest.Dial(t, address), listentest.Dial(t, address)
		for _, c := range []*listentest.Client{idle, busy} {
			c.Send()
			c.Want("200 one")
		}
		l.Hold()
		first.Stop(t.Context())
		busy.Send()
		time.Sleep(20 * time.Millisecond)
		h := says(address, "two")
		change(&h)
		l.mustServe(t, h)
		l.Sweep()
		if got := busy.Answer(); got[:3] != "503" {
			t.Errorf("got %q, want 503", got)
		}
		busy.Want(listentest.HungUp)
		idle.Want(listentest.HungUp)
	}
}

// TestWhatNobodyWantsAgainIsClosed, by Sweep, or by whoever wants the address for something else.
func TestWhatNobodyWantsAgainIsClosed(t *testing.T) {
	l, address := testListeners(t)
	v := l.mustServe(t, says(address, "one"))
	c := listentest.Dial(t, address)
	c.Send()
	c.Want("200 one")
	l.Hold()
	v.Stop(t.Context())
	ln, err := l.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.Want(listentest.HungUp)
	ln.Close()
	l.mustServe(t, says(address, "two")).Stop(t.Context())
	l.Sweep()
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the socket is open although nobody uses it")
	}
}

// TestARequestDoesNotWaitForEver for a next graph.
func TestARequestDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{changed: make(chan struct{})}
		begin := time.Now()
		if v := s.await(t.Context(), s.changed); v != nil || time.Since(begin) != gapPatience {
			t.Errorf("got %v after %s", v, time.Since(begin))
		}
	})
}

func certificate(t *testing.T, serial int64) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	from := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, from, from, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// TestARenewedCertificateCountsFromTheNextHandshake; the connections stay. Other client CAs end them.
func TestARenewedCertificateCountsFromTheNextHandshake(t *testing.T) {
	l, address := testListeners(t)
	secure := func(text string, c *tls.Config) HTTP {
		h := says(address, text)
		h.TLS = c
		return h
	}
	hello := func(c *listentest.Client) int64 {
		t.Helper()
		return c.Handshake(&tls.Config{InsecureSkipVerify: true}).PeerCertificates[0].SerialNumber.Int64()
	}
	v := l.mustServe(t, secure("one", certificate(t, 1)))
	old := listentest.Dial(t, address)
	if n := hello(old); n != 1 {
		t.Errorf("certificate %d, want 1", n)
	}
	old.Send()
	old.Want("200 one")
	l.Hold()
	v.Stop(t.Context())
	v = l.mustServe(t, secure("two", certificate(t, 2)))
	l.Sweep()
	old.Send()
	old.Want("200 two")
	young := listentest.Dial(t, address)
	if n := hello(young); n != 2 {
		t.Errorf("certificate %d, want 2", n)
	}
	young.Send() // a connection without a request holds the end up
	young.Want("200 two")
	l.Hold()
	v.Stop(t.Context())
	third := certificate(t, 3)
	third.ClientCAs = x509.NewCertPool()
	third.ClientCAs.AddCert(&x509.Certificate{Raw: []byte("a CA")})
	l.mustServe(t, secure("three", third))
	l.Sweep()
	old.Want(listentest.HungUp)
}

// TestHTTP2ConnectionsOutliveAReload as well.
func TestHTTP2ConnectionsOutliveAReload(t *testing.T) {
	l, address := testListeners(t)
	conf := certificate(t, 1)
	conf.NextProtos = []string{"h2", "http/1.1"}
	serve := func(text string) *Serving {
		h := says(address, text)
		h.TLS = conf
		return l.mustServe(t, h)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	get := func(want string, wantReused bool) {
		t.Helper()
		trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
			if i.Reused != wantReused {
				t.Errorf("the connection was used before: %v, want %v", i.Reused, wantReused)
			}
		}}
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "https://"+address, nil)
		if err != nil {
			t.Error(err)
			return
		}
		res, err := tr.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		if text, _ := io.ReadAll(res.Body); string(text) != want || res.ProtoMajor != 2 {
			t.Errorf("got %q over %s, want %q", text, res.Proto, want)
		}
	}
	v := serve("one")
	get("one", false)
	l.Hold()
	v.Stop(t.Context())
	var client sync.WaitGroup
	client.Go(func() { get("two", true) })
	time.Sleep(20 * time.Millisecond)
	serve("two")
	l.Sweep()
	client.Wait()
}
