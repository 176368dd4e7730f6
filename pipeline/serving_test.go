package pipeline

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
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
)

// keptAlive is one kept-alive connection; unlike http.Client it never opens another one.
type keptAlive struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, address string) *keptAlive {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &keptAlive{t, c, bufio.NewReader(c)}
}

// hungUp is the answer on a connection that was closed.
const hungUp = "unexpected EOF"

func (k *keptAlive) send() { io.WriteString(k.conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") }

// answer is the status and the body, or the error that ended the connection.
func (k *keptAlive) answer() string {
	k.t.Helper()
	k.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	res, err := http.ReadResponse(k.in, nil)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return fmt.Sprint(res.StatusCode, " ", string(text))
}

func (k *keptAlive) want(what string) {
	k.t.Helper()
	if got := k.answer(); got != what {
		k.t.Errorf("got %q, want %q", got, what)
	}
}

func says(address, text string) HTTP {
	return HTTP{Network: "tcp", Address: address, log: slog.New(slog.DiscardHandler), Server: &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }),
	}}
}

func (l *Listeners) mustServe(t *testing.T, h HTTP) *Serving {
	t.Helper()
	v, err := l.serve(t.Context(), l.Listen, h)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func testListeners(t *testing.T) (*Listeners, string) {
	l := NewListeners()
	t.Cleanup(l.Close)
	return l, "127.0.0.1:" + freePort(t)
}

// TestConnectionsOutliveAReload: a request between two graphs waits, on the connection it came on.
func TestConnectionsOutliveAReload(t *testing.T) {
	l, address := testListeners(t)
	first := l.mustServe(t, says(address, "one"))
	quiet, busy := dial(t, address), dial(t, address)
	quiet.send()
	quiet.want("200 one")
	busy.send()
	busy.want("200 one")
	if _, err := l.serve(t.Context(), l.Listen, says(address, "two")); err == nil {
		t.Error("two components got the same server at once")
	}

	l.hold()
	first.Stop(t.Context())
	busy.send()
	time.Sleep(20 * time.Millisecond)
	second := l.mustServe(t, says(address, "two"))
	l.Sweep()
	busy.want("200 two")
	quiet.send()
	quiet.want("200 two")
	first.Stop(t.Context()) // it has nothing to stop any more
	quiet.send()
	quiet.want("200 two")

	second.Stop(t.Context()) // not in a reload: the connections end
	quiet.want(hungUp)
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
	c := dial(t, address)
	c.send()
	<-entered
	l.hold()
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
	c.want("200 late")

	again := says(address, "")
	again.Server.Handler = handler
	slow = l.mustServe(t, again)
	l.Sweep()
	c.send()
	<-entered
	l.hold()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	slow.Stop(over)
	c.want(hungUp)
	l.mustServe(t, says(address, "new"))
	l.Sweep()
	c = dial(t, address)
	c.send()
	c.want("200 new")
}

// TestOtherTermsEndTheConnections: what came in under the old ones is told to come again.
func TestOtherTermsEndTheConnections(t *testing.T) {
	for _, change := range []func(*HTTP){
		func(h *HTTP) { h.Terms = "other" },
		func(h *HTTP) { h.Server.ReadTimeout = time.Minute },
		func(h *HTTP) { h.TLS = &tls.Config{} },
		func(h *HTTP) { h.Address = "0.0.0.0" + h.Address[len("127.0.0.1"):] },
	} {
		l, address := testListeners(t)
		first := l.mustServe(t, says(address, "one"))
		idle, busy := dial(t, address), dial(t, address)
		for _, c := range []*keptAlive{idle, busy} {
			c.send()
			c.want("200 one")
		}
		l.hold()
		first.Stop(t.Context())
		busy.send()
		time.Sleep(20 * time.Millisecond)
		h := says(address, "two")
		change(&h)
		l.mustServe(t, h)
		l.Sweep()
		if got := busy.answer(); got[:3] != "503" {
			t.Errorf("got %q, want 503", got)
		}
		busy.want(hungUp)
		idle.want(hungUp)
	}
}

// TestWhatNobodyWantsAgainIsClosed, by Sweep, or by whoever wants the address for something else.
func TestWhatNobodyWantsAgainIsClosed(t *testing.T) {
	l, address := testListeners(t)
	v := l.mustServe(t, says(address, "one"))
	c := dial(t, address)
	c.send()
	c.want("200 one")
	l.hold()
	v.Stop(t.Context())
	ln, err := l.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.want(hungUp)
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
	hello := func(c *keptAlive) int64 {
		t.Helper()
		tc := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
		c.conn, c.in = tc, bufio.NewReader(tc)
		if err := tc.Handshake(); err != nil {
			t.Fatal(err)
		}
		return tc.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	v := l.mustServe(t, secure("one", certificate(t, 1)))
	old := dial(t, address)
	if n := hello(old); n != 1 {
		t.Errorf("certificate %d, want 1", n)
	}
	old.send()
	old.want("200 one")
	l.hold()
	v.Stop(t.Context())
	v = l.mustServe(t, secure("two", certificate(t, 2)))
	l.Sweep()
	old.send()
	old.want("200 two")
	young := dial(t, address)
	if n := hello(young); n != 2 {
		t.Errorf("certificate %d, want 2", n)
	}
	young.send() // a connection without a request holds the end up
	young.want("200 two")
	l.hold()
	v.Stop(t.Context())
	third := certificate(t, 3)
	third.ClientCAs = x509.NewCertPool()
	third.ClientCAs.AddCert(&x509.Certificate{Raw: []byte("a CA")})
	l.mustServe(t, secure("three", third))
	l.Sweep()
	old.want(hungUp)
}

// TestReloadKeepsConnections of the service's own endpoints, which like any other wait for the next graph; also
// when the new configuration does not start.
func TestReloadKeepsConnections(t *testing.T) {
	k := &kit{outs: map[string]Outputs{}}
	s := newService(t)
	address := "127.0.0.1:" + freePort(t)
	configured := func() *Config {
		cfg := k.config(pipe(t, "logs", "in", "mid", "out"))
		cfg.Service.HealthEndpoint = address
		return cfg
	}
	if err := s.Start(t.Context(), configured()); err != nil {
		t.Fatal(err)
	}
	c := dial(t, address)
	healthy := func() {
		t.Helper()
		c.send()
		if got := c.answer(); got[:3] != "200" {
			t.Errorf("got %q", got)
		}
	}
	healthy()
	if err := s.Reload(t.Context(), configured()); err != nil {
		t.Error(err)
	}
	healthy()
	stuck := configured()
	stuck.Instances[0].Config = &nodeConfig{StartFault: "the port is taken"}
	if err := s.Reload(t.Context(), stuck); err == nil {
		t.Error("it started")
	}
	healthy()
	s.Stop(t.Context())
	c.want(hungUp)
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
	l.hold()
	v.Stop(t.Context())
	var client sync.WaitGroup
	client.Go(func() { get("two", true) })
	time.Sleep(20 * time.Millisecond)
	serve("two")
	l.Sweep()
	client.Wait()
}

// TestAnOwnEndpointThatHangsHoldsUpNothing: a handler of /metrics that does not end is left behind.
func TestAnOwnEndpointThatHangsHoldsUpNothing(t *testing.T) {
	l, address := testListeners(t)
	inside, end := make(chan struct{}), make(chan struct{})
	srv := l.mustServe(t, HTTP{Network: "tcp", Address: address, log: slog.New(slog.DiscardHandler), Server: &http.Server{
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(inside); <-end }),
	}})
	c := dial(t, address)
	c.send()
	<-inside
	begin := time.Now()
	stopOwn(srv)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("waited for %s", took)
	}
	close(end)
	<-srv.empty
}
