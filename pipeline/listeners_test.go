package pipeline

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

func TestListenersOutliveTheirServers(t *testing.T) {
	l := NewListeners()
	defer l.Close()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := probe.Addr().String()
	probe.Close()

	serve := func(body string) *http.Server {
		ln, err := l.Listen(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })}
		go srv.Serve(ln)
		return srv
	}
	get := func() string {
		c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := c.Get("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return string(text)
	}
	first := serve("one")
	if got := get(); got != "one" {
		t.Errorf("got %q", got)
	}
	if _, err := l.Listen(t.Context(), "tcp", addr); err == nil {
		t.Error("two servers got the same socket at once")
	}
	first.Shutdown(t.Context())

	// A client that connects while nobody serves waits; it is not turned away.
	answer := make(chan string)
	go func() { answer <- get() }()
	time.Sleep(20 * time.Millisecond)
	second := serve("two")
	if got := <-answer; got != "two" {
		t.Errorf("got %q", got)
	}
	second.Shutdown(t.Context())
	l.Sweep()
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the socket is open although nobody uses it")
	}
}
