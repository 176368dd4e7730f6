package listen

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluiceio/sluice/internal/listen/listentest"
)

func TestListenersOutliveTheirServers(t *testing.T) {
	l := New()
	defer l.Close()
	addr := "127.0.0.1:" + listentest.FreePort(t)

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

// TestAKeptSocketDoesNotBlockItsOwnPort: a reload that changes 127.0.0.1:4317 to 0.0.0.0:4317 must not fail on the
// socket that we keep ourselves.
func TestAKeptSocketDoesNotBlockItsOwnPort(t *testing.T) {
	port := listentest.FreePort(t)
	l := New()
	defer l.Close()
	old, err := l.Listen(t.Context(), "tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Listen(t.Context(), "tcp", "0.0.0.0:"+port); err == nil {
		t.Error("a socket in use was taken from its server")
	}
	old.Close()
	wide, err := l.Listen(t.Context(), "tcp", "0.0.0.0:"+port)
	if err != nil {
		t.Fatalf("our own idle socket is in the way: %v", err)
	}
	wide.Close()
}

// TestATakenPort of a file ends the start, with the place and the fix; one of the embedded default is left out.
func TestATakenPort(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l := New()
	defer l.Close()
	open := func(embedded bool) (string, error) {
		var log bytes.Buffer
		_, err := l.For(slog.New(slog.NewTextHandler(&log, nil)), "sluice.yaml:7", embedded)(t.Context(), "tcp", other.Addr().String())
		return log.String(), err
	}
	log, err := open(true)
	if err != ErrLeftOut || !strings.Contains(log, "another process uses the port") || !strings.Contains(log, other.Addr().String()) {
		t.Errorf("embedded: got %v, log %q", err, log)
	}
	log, err = open(false)
	if !errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, ErrLeftOut) || log != "" {
		t.Fatalf("from a file: got %v, log %q", err, log)
	}
	for _, want := range []string{"sluice.yaml:7: ", other.Addr().String(), "free the port or name another one"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

// TestAStaleUnixSocket: a process that was killed leaves its socket's file. It is taken over, unless somebody serves it or it is
// something else.
func TestAStaleUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "otlp.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l := New()
	defer l.Close()
	if _, err := l.Listen(t.Context(), "unix", path); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a socket that is served was taken: %v", err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	ln, err := l.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatalf("a stale socket is in the way: %v", err)
	}
	ln.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Listen(t.Context(), "unix", file); err == nil {
		t.Error("a file was taken for a socket")
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}
