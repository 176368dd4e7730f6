package otlphttp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// sealed makes a body of n bytes that proves by itself that it is whole and unmixed.
func sealed(id, n int) []byte {
	b := bytes.Repeat(fmt.Appendf(nil, "<%d>", id), n/8+1)
	return fmt.Appendf(nil, "%08x%s", crc32.ChecksumIEEE(b), b)
}

// patience is that of the nth caller: most leave while their request is on the wire, some stay.
func patience(n int) time.Duration {
	if n%4 == 0 {
		return 30 * time.Second
	}
	return time.Duration(rand.IntN(20_000)) * time.Microsecond
}

func intact(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	return string(b[:8]) == fmt.Sprintf("%08x", crc32.ChecksumIEEE(b[8:]))
}

// Servers that answer before they have read the body, and callers that leave and reuse their buffers at once, must never
// cause a request with another request's bytes. Bodies exceed the write buffer, so that the transport still reads them after
// the answer.
func TestNobodySeesAnotherRequestsBytes(t *testing.T) {
	for _, c := range []struct {
		compression string
		tls         bool // and thereby HTTP/2
	}{{"none", false}, {"gzip", false}, {"zstd", false}, {"none", true}, {"zstd", true}} {
		t.Run(fmt.Sprintf("%s,http2=%v", c.compression, c.tls), func(t *testing.T) {
			var whole, early, mixed atomic.Int64
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.tls != (r.ProtoMajor == 2) {
					t.Error("came by", r.Proto)
				}
				switch rand.IntN(4) {
				case 0: // answers at once and reads nothing
					early.Add(1)
					w.WriteHeader(http.StatusTooManyRequests)
					return
				case 1: // answers at once, then reads what still comes
					early.Add(1)
					w.WriteHeader(http.StatusTooManyRequests)
					_ = http.NewResponseController(w).Flush()
				case 2: // is slow, so that callers leave meanwhile
					time.Sleep(time.Duration(rand.IntN(4)) * time.Millisecond)
				}
				var declared bytes.Buffer
				if _, err := io.Copy(&declared, r.Body); err != nil {
					return // cut off: allowed, and seen as such
				}
				body := unpack(t, r.Header.Get("Content-Encoding"), declared.Bytes())
				if !intact(body) {
					mixed.Add(1)
					return
				}
				whole.Add(1)
			}))
			if srv.EnableHTTP2 = c.tls; c.tls {
				srv.StartTLS()
			} else {
				srv.Start()
			}
			t.Cleanup(srv.Close)
			compression, rounds := c.compression, 24
			if c.tls {
				rounds = 8 // an early answer takes a second there
			}
			sink := start(t, func(c *Config) {
				c.Endpoint, c.WriteBufferSize, c.TLS.InsecureSkipVerify = srv.URL, 4<<10, true
				_ = c.Compression.UnmarshalText([]byte(compression))
				c.Retry.InitialInterval, c.Retry.MaxInterval = time.Millisecond, 2*time.Millisecond
				c.MaxInFlight = 8
			})
			var wg sync.WaitGroup
			var left, taken atomic.Int64
			for g := range 8 {
				wg.Go(func() {
					for n := range rounds {
						body := sealed(g*1000+n, 1000+rand.IntN(200_000))
						ctx, cancel := context.WithTimeout(t.Context(), patience(n))
						err := sink.Consume(ctx, pipeline.Batch{Signal: pipeline.Logs, Request: body, Items: 1})
						cancel()
						for i := range body { // the owner reuses its buffer
							body[i] = 'X'
						}
						switch {
						case err == nil:
							taken.Add(1)
						case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
							left.Add(1)
						default:
							if _, ok := pipeline.AsRefused(err); !ok {
								t.Error(err)
							}
						}
					}
				})
			}
			wg.Wait()
			if mixed.Load() > 0 {
				t.Errorf("%d requests had bytes of others", mixed.Load())
			}
			if taken.Load() == 0 || left.Load() == 0 || early.Load() == 0 || whole.Load() < taken.Load() {
				t.Errorf("the test met nothing dangerous: %d taken, %d left, %d answered early, %d arrived whole",
					taken.Load(), left.Load(), early.Load(), whole.Load())
			}
		})
	}
}

// If a server answers 200 before it reads, the transport still writes after Consume has returned. Whatever arrives then
// belongs to this request, or the connection ends.
func TestTheTransportReadsOnAfterTheAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	returned, seen := make(chan struct{}), make(chan []byte)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		for line := ""; line != "\r\n"; {
			if line, err = r.ReadString('\n'); err != nil {
				return
			}
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		<-returned
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		body, _ := io.ReadAll(r)
		seen <- body
	}()
	sink := start(t, func(c *Config) { c.Endpoint = "http://" + l.Addr().String() })
	body := bytes.Repeat([]byte("a"), 32<<20) // more than any socket buffer
	if err := sink.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: body, Items: 1}); err != nil {
		t.Fatal(err)
	}
	clear(body) // at once: the transport gives the connection up after 50 ms
	close(returned)
	got := <-seen
	if n := bytes.Count(got, []byte("a")); n != len(got) || n == 0 || n == len(body) {
		t.Errorf("of %d bytes the server read %d, %d of them of the request", len(body), len(got), n)
	}
}

func unpack(t *testing.T, encoding string, b []byte) []byte {
	r := &http.Request{Header: http.Header{"Content-Encoding": {encoding}}, Body: io.NopCloser(bytes.NewReader(b))}
	return inflated(t, r)
}

// A destination that repeats what it was sent must not bring a secret into an error, and so into logs.
func TestSecretsAreNotInErrors(t *testing.T) {
	const secret = "s3cr3t-t0ken-value"
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		for name, values := range r.Header {
			_, _ = fmt.Fprintf(w, "%s=%s\n", name, strings.Join(values, ","))
		}
	})
	sink := start(t, func(c *Config) {
		c.Endpoint = srv.URL
		c.Headers.Set("X-Api-Key", secret)
		once(c)
	})
	err := sink.Consume(t.Context(), batch("x"))
	if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "401") {
		t.Errorf("%v", err)
	}
	// The URL of a request may carry a key, too.
	srv.Close()
	gone := start(t, func(c *Config) { c.LogsEndpoint = srv.URL + "/?key=" + secret; once(c) })
	if err = gone.Consume(t.Context(), batch("x")); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("%v", err)
	}
}
