package scrape

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/config"

	"github.com/sluiceio/sluice/receivers/scrape/promfile"
)

// script is a server that answers the i-th request of its life with the i-th text, on whatever connection it comes.
// A text that ends with "!" closes the connection after it.
type script struct {
	net.Listener
	texts       []string
	connections int
	requests    int
}

func (s *script) serve() {
	for {
		c, err := s.Accept()
		if err != nil {
			return
		}
		s.connections++
		s.answer(c)
		c.Close()
	}
}

func (s *script) answer(c net.Conn) {
	from := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(from)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		text := s.texts[min(s.requests, len(s.texts)-1)]
		s.requests++
		body, closes := strings.CutSuffix(text, "!")
		fmt.Fprint(c, body)
		if closes {
			return
		}
	}
}

func ask(t testing.TB, c commonconfig.HTTPClientConfig, url string) *fetcher {
	t.Helper()
	r := &Receiver{cfg: Default(), loaded: &promfile.File{}}
	j, err := newJob(r, &config.ScrapeConfig{
		JobName: "x", HTTPClientConfig: c, ScrapeProtocols: config.DefaultScrapeProtocols,
		MetricNameEscapingScheme: "allow-utf-8", MetricNameValidationScheme: config.DefaultScrapeConfig.MetricNameValidationScheme,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.client.CloseIdleConnections)
	f, err := newFetcher(j, &target{url: url, timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	return f
}

// TestPlainIsTheClient: whatever a server answers, the shorter way finds in it what net/http does, with as many
// connections or fewer.
func TestPlainIsTheClient(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n"
	for name, texts := range map[string][]string{
		"kept":              {ok, ok, ok},
		"closed with words": {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\na 1\n!", ok},
		"closed in silence": {ok + "!", ok + "!", ok},
		"until it ends":     {"HTTP/1.0 200 OK\r\n\r\na 1\n!", ok},
		"chunked":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na \r\n2\r\n1\n\r\n0\r\n\r\n", ok},
		"trailer":           {"HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na 1\n\r\n0\r\nX: y\r\n\r\n", ok},
		"informed":          {strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 9) + ok, ok},
		"switched":          {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", ok},
		"too much":          {ok + "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", ok, ok},
		"status":            {"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno", ok},
		"no words":          {"!", ok},
		"nonsense":          {"SSH-2.0-x\r\n\r\n!", ok},
		"cut":               {"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\na 1\n!", ok},
		"cut chunk":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\na 1!", ok},
		"redirect":          {"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n", ok, ok, ok},
		"redirect nowhere":  {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", ok, ok},
		"large head":        {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n!", ok},
	} {
		t.Run(name, func(t *testing.T) {
			var got [2][]string
			var connections [2]int
			slow := commonconfig.DefaultHTTPClientConfig
			slow.HTTPHeaders = &commonconfig.Headers{} // all that is not the default takes net/http's way
			for i, c := range []commonconfig.HTTPClientConfig{commonconfig.DefaultHTTPClientConfig, slow} {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				s := &script{Listener: l, texts: texts}
				done := make(chan struct{})
				go func() { defer close(done); s.serve() }()
				f := ask(t, c, "http://"+l.Addr().String()+"/metrics")
				if (f.direct != nil) != (i == 0) {
					t.Fatalf("the client is chosen wrongly: %+v", c)
				}
				for range 3 {
					body, _, err := f.fetch(t.Context())
					text := string(body)
					if err != nil {
						text = "failed: " + string(reasonFor(err))
					}
					got[i] = append(got[i], text)
					time.Sleep(10 * time.Millisecond) // for the end of a connection to arrive
				}
				f.close()
				f.client.CloseIdleConnections()
				l.Close()
				<-done
				connections[i] = s.connections
			}
			if fmt.Sprint(got[0]) != fmt.Sprint(got[1]) && name != "large head" { // ours is a tenth of net/http's
				t.Errorf("got %q, net/http %q", got[0], got[1])
			}
			if name == "large head" && got[0][0] != "failed: connect" {
				t.Errorf("got %q", got[0])
			}
			if connections[0] > connections[1]+1 {
				t.Errorf("%d connections, net/http has %d", connections[0], connections[1])
			}
		})
	}
}

// TestPlainKeepsItsTime: a target that says nothing, or nothing more, ends at the deadline, as does one that takes no
// bytes; the next scrape has a connection of its own.
func TestPlainKeepsItsTime(t *testing.T) {
	for _, text := range []string{"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &script{Listener: l, texts: []string{text}}
		go s.serve()
		f := ask(t, commonconfig.DefaultHTTPClientConfig, "http://"+l.Addr().String()+"/metrics")
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, _, err = f.fetch(ctx)
		cancel()
		if reasonFor(err) != reasonTimeout {
			t.Errorf("%q: %v", text, err)
		}
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) || f.direct.conn != nil {
			t.Errorf("%q: %v; the connection is kept: %v", text, ctx.Err(), f.direct.conn != nil)
		}
		l.Close()
	}
}

// TestDamagedBody: a body that is cut or damaged is invalid: there was a connection.
func TestDamagedBody(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(strings.Repeat("some_metric 1\n", 100)))
	_ = z.Close()
	good := b.String()
	answer := func(body string, length int) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s!", length, body)
	}
	sum := []byte(good)
	sum[len(sum)-6] ^= 1
	for name, c := range map[string]struct {
		text string
		want reason
	}{
		"cut gzip":       {answer(good[:len(good)-20], len(good)-20), reasonInvalid},
		"checksum":       {answer(string(sum), len(sum)), reasonInvalid},
		"no gzip":        {answer("some_metric 1\nsome_metric 2\n", 28), reasonInvalid},
		"corrupt":        {answer(good[:12]+"\xff\xff\xff"+good[15:], len(good)), reasonInvalid},
		"content length": {strings.Replace(answer("a 1\n", 100), "gzip", "identity", 1), reasonInvalid},
		"too large":      {answer(good, len(good)), reasonBodySize},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &script{Listener: l, texts: []string{c.text}}
		go s.serve()
		f := ask(t, commonconfig.DefaultHTTPClientConfig, "http://"+l.Addr().String()+"/metrics")
		if c.want == reasonBodySize {
			f.limit = 1000
		}
		_, _, err = f.fetch(t.Context())
		if reasonFor(err) != c.want || c.want == reasonBodySize && !strings.Contains(err.Error(), "1000 bytes or more") {
			t.Errorf("%s: %v is counted as %s", name, err, reasonFor(err))
		}
		l.Close()
	}
}

func BenchmarkFetch(b *testing.B) {
	body := strings.Repeat("some_metric_total{device=\"nvme0n1\",mode=\"read\"} 12345\n", 1500)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })}
	go s.Serve(l)
	defer s.Close()
	slow := commonconfig.DefaultHTTPClientConfig
	slow.HTTPHeaders = &commonconfig.Headers{}
	for name, c := range map[string]commonconfig.HTTPClientConfig{"plain": commonconfig.DefaultHTTPClientConfig, "client": slow} {
		b.Run(name, func(b *testing.B) {
			f := ask(b, c, "http://"+l.Addr().String()+"/metrics")
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := context.WithTimeout(b.Context(), time.Second)
				got, _, err := f.fetch(ctx)
				cancel()
				if err != nil || len(got) != len(body) {
					b.Fatal(len(got), err)
				}
				f.buffers.put(got)
			}
		})
	}
}
