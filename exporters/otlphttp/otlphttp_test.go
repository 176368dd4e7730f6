package otlphttp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/config/configcompression"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start makes the exporter, stopped with the test.
func start(t testing.TB, change func(*Config)) pipeline.Sink {
	t.Helper()
	c := Default()
	c.Compression = "none"
	change(c)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "otlp_http")
	sink, err := New(s, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		if err := sink.(pipeline.Stopper).Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return sink
}

func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

func once(c *Config) { c.Retry.Enabled = false }

func batch(body string) pipeline.Batch {
	return pipeline.Batch{Signal: pipeline.Logs, Request: []byte(body), Items: 10}
}

func TestBytesArriveAsTheyAre(t *testing.T) {
	want := strings.Repeat("the body of an export request; ", 2000)
	for _, typ := range []configcompression.Type{"", "none", "gzip", "zstd", "snappy"} {
		t.Run("compression="+string(typ), func(t *testing.T) {
			var path, contentType, agent string
			var length int64
			var got []byte
			srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
				path, contentType, agent, length = r.URL.Path, r.Header.Get("Content-Type"), r.UserAgent(), r.ContentLength
				got = inflated(t, r)
			})
			sink := start(t, func(c *Config) { c.Endpoint, c.Compression = srv.URL+"/", typ })
			for _, sig := range pipeline.Signals {
				b := batch(want)
				b.Signal = sig
				if err := sink.Consume(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if string(got) != want {
					t.Fatalf("%s: other bytes arrived (%d)", sig, len(got))
				}
				if path != "/v1/"+sig.String() || contentType != "application/x-protobuf" || length <= 0 || !strings.HasPrefix(agent, "sluice/") {
					t.Errorf("path %q, type %q, length %d, agent %q", path, contentType, length, agent)
				}
			}
		})
	}
}

func inflated(t *testing.T, r *http.Request) []byte {
	body, err := io.ReadAll(r.Body)
	switch r.Header.Get("Content-Encoding") {
	case "gzip":
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = io.ReadAll(z)
		}
	case "zstd":
		d, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		defer d.Close()
		body, err = d.DecodeAll(body, nil)
	case "snappy":
		body, err = s2.Decode(nil, body)
	}
	if err != nil {
		t.Error(err)
	}
	return body
}

func TestEndpointsOfSignals(t *testing.T) {
	seen := make(chan string, 1)
	srv := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.URL.String() })
	sink := start(t, func(c *Config) { c.LogsEndpoint = srv.URL + "/in?tenant=a" })
	if err := sink.Consume(t.Context(), batch("x")); err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != "/in?tenant=a" {
		t.Errorf("posted to %s", got)
	}
	b := batch("x")
	b.Signal = pipeline.Traces
	if _, ok := pipeline.AsRefused(sink.Consume(t.Context(), b)); !ok {
		t.Error("traces without an endpoint are not refused")
	}
}

// Every status means what the table in delivery/README.md says, whatever Retry-After comes with it.
func TestEveryStatus(t *testing.T) {
	var status int
	var after, body string
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.WriteHeader(status)
		if status != 204 && status != 304 {
			_, _ = io.WriteString(w, body)
		}
	})
	sink := start(t, func(c *Config) { c.Endpoint = srv.URL; once(c) })
	bodies := []string{"", "no", strings.Repeat("<html>much</html>", 5_000)}
	for status = 200; status < 600; status++ {
		for i, retryAfter := range []string{"", "7", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), "1000000000", "garbage"} {
			after, body = retryAfter, bodies[(status+i)%len(bodies)]
			err := sink.Consume(t.Context(), batch("x"))
			verdict, reason := answer.JudgeHTTP(status)
			rej, rejected := pipeline.AsRejected(err)
			ref, refused := pipeline.AsRefused(err)
			if (err == nil) != (verdict == answer.Taken) || rejected != (verdict == answer.Rejected) {
				t.Fatalf("%d: %v, want %s", status, err, verdict)
			}
			if rejected && (rej.Reason != reason && rej.Reason != pipeline.DropUndivided || rej.Count != 0 && rej.Count != 10) {
				t.Fatalf("%d: %+v", status, rej)
			}
			if refused {
				low := map[string]time.Duration{"7": 7 * time.Second, "1000000000": 5 * time.Minute}[retryAfter]
				if i == 2 {
					low = 5 * time.Minute // an hour is cut
				}
				if verdict != answer.Retry {
					low = 0
				}
				if ref.After < low || ref.After > low+time.Second {
					t.Fatalf("%d with Retry-After %q: come back after %s", status, retryAfter, ref.After)
				}
				if ref.Overload != (status == 429) {
					t.Fatalf("%d: overload is %v", status, ref.Overload)
				}
			}
			if err != nil && len(err.Error()) > 400 {
				t.Fatalf("%d: an error of %d bytes", status, len(err.Error()))
			}
		}
	}
}

func TestPartialSuccess(t *testing.T) {
	resp := plogotlp.NewExportResponse()
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := resp.MarshalProto()
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(b)
	})
	sink := start(t, func(c *Config) { c.Endpoint = srv.URL })
	resp.PartialSuccess().SetErrorMessage("slow down, please")
	if err := sink.Consume(t.Context(), batch("x")); err != nil {
		t.Errorf("a remark: %v", err)
	}
	resp.PartialSuccess().SetRejectedLogRecords(3)
	err := sink.Consume(t.Context(), batch("x"))
	rej, ok := pipeline.AsRejected(err)
	if !ok || rej.Count != 3 || rej.Reason != pipeline.DropRejected || !strings.Contains(err.Error(), "slow down, please") {
		t.Errorf("%v", err)
	}
}

func TestRecoveryLosesNothing(t *testing.T) {
	var mu sync.Mutex
	requests, got := 0, map[string]bool{}
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if requests++; requests <= 40 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		got[string(body)] = true
	})
	sink := start(t, func(c *Config) {
		c.Endpoint, c.Retry.InitialInterval, c.Retry.MaxInterval = srv.URL, time.Millisecond, 10*time.Millisecond
	})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if err := sink.Consume(t.Context(), batch(fmt.Sprint("body ", i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(got) != 50 {
		t.Errorf("%d of 50 arrived", len(got))
	}
}

func TestAServerThatNeverAnswers(t *testing.T) {
	hang := make(chan struct{})
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-hang
	})
	t.Cleanup(func() { close(hang) })
	sink := start(t, func(c *Config) { c.Endpoint, c.Timeout = srv.URL, 50*time.Millisecond; once(c) })
	err := sink.Consume(t.Context(), batch("x"))
	if _, ok := pipeline.AsRefused(err); !ok || !strings.Contains(err.Error(), `"timeout"`) {
		t.Errorf("%v", err)
	}
}

// A server that answers 429 at once and then waits for a body that is no longer sent must not hold the request's slot until
// its timeout.
func TestAnEarlyAnswerOverHTTP2(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	sink := start(t, func(c *Config) { c.Endpoint, c.TLS.InsecureSkipVerify = srv.URL, true; once(c) })
	begun := time.Now()
	if _, ok := pipeline.AsRefused(sink.Consume(t.Context(), batch(strings.Repeat("x", 10<<20)))); !ok {
		t.Error("not refused")
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("refused after %s", took)
	}
}

// TestJSON: with encoding json the body is OTLP/JSON, compressed or not, and what it says is what came.
func TestJSON(t *testing.T) {
	logs := plogotlp.NewExportRequest()
	logs.Logs().ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("as text")
	body, err := logs.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []configcompression.Type{"none", "gzip", "zstd"} {
		var contentType string
		var got []byte
		srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
			contentType, got = r.Header.Get("Content-Type"), inflated(t, r)
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("{}"))
		})
		sink := start(t, func(c *Config) { c.Endpoint, c.Compression, c.Encoding = srv.URL, typ, "json" })
		if err := sink.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: body, Items: 1}); err != nil {
			t.Fatal(err)
		}
		read := plogotlp.NewExportRequest()
		if err := read.UnmarshalJSON(got); err != nil || contentType != "application/json" {
			t.Fatalf("%s, %q: %v of %s", typ, contentType, err, got)
		}
		if again, _ := read.MarshalProto(); !bytes.Equal(again, body) {
			t.Errorf("%s: another request arrived", typ)
		}
	}
}

// TestHollowJSON: a request whose text would be many times its bytes arrives in several.
func TestHollowJSON(t *testing.T) {
	const n = 2 << 20
	var mu sync.Mutex
	var largest, spans int
	srv := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got := inflated(t, r)
		mu.Lock()
		defer mu.Unlock()
		largest, spans = max(largest, len(got)), spans+bytes.Count(got, []byte(`{"status":{}}`))
	})
	sink := start(t, func(c *Config) { c.Endpoint, c.Compression, c.Encoding = srv.URL, "gzip", "json" })
	body := wire.AppendBytes(nil, 1, wire.AppendBytes(nil, 2, bytes.Repeat(wire.AppendBytes(nil, 2, nil), n)))
	if err := sink.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Traces, Request: body, Items: n}); err != nil {
		t.Fatal(err)
	}
	if spans != n || largest > maxText {
		t.Errorf("%d of %d spans arrived, %d bytes at once", spans, n, largest)
	}
}
