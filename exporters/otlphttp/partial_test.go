package otlphttp

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/sluiceio/sluice/pipeline"
)

// TestPartialSuccessesAreHeard: what the destination turned down is told, however the answer is written. A success whose answer
// breaks off is asked for once more.
func TestPartialSuccessesAreHeard(t *testing.T) {
	partial := func(n int64, msg string) plogotlp.ExportResponse {
		r := plogotlp.NewExportResponse()
		r.PartialSuccess().SetRejectedLogRecords(n)
		r.PartialSuccess().SetErrorMessage(msg)
		return r
	}
	pb := func(n int64, msg string) []byte { b, _ := partial(n, msg).MarshalProto(); return b }
	js := func(n int64, msg string) []byte { b, _ := partial(n, msg).MarshalJSON(); return b }
	long := strings.Repeat("record rejected; ", 5000) // 85 kB
	for _, c := range []struct {
		name, ct, enc string
		body          []byte
		declare       int // Content-Length; 0: true one
		want          int // rejected; -1: no answer
	}{
		{"pb", "application/x-protobuf", "", pb(3, "no"), 0, 3},
		{"json", "application/json", "", js(3, "no"), 0, 3},
		{"json-charset", "application/json; charset=utf-8", "", js(3, "no"), 0, 3},
		{"json-unlabelled", "", "", js(3, "no"), 0, 3},
		{"json-text", "text/plain", "", js(3, "no"), 0, 3},
		{"json-float", "application/json", "", []byte(`{"partialSuccess":{"rejectedLogRecords":3.0}}`), 0, 3},
		{"json-exp", "application/json", "", []byte(`{"partialSuccess":{"rejectedLogRecords":"3e0"}}`), 0, 3},
		{"json-snake", "application/json", "", []byte(`{"partial_success":{"rejected_log_records":"3"}}`), 0, 3},
		{"pb-long-message", "application/x-protobuf", "", pb(3, long), 0, 3},
		{"json-long-message", "application/json", "", js(3, long), 0, 3},
		{"pb-truncated-body", "application/x-protobuf", "", pb(3, strings.Repeat("x", 500)), -1, -1},
		{"json-truncated-body", "application/json", "", js(3, strings.Repeat("x", 500)), -1, -1},
		{"all", "application/x-protobuf", "", pb(10, "no"), 0, 10},
		{"more-than-all", "application/x-protobuf", "", pb(50, "no"), 0, 10},
		{"negative", "application/x-protobuf", "", pb(-5, "no"), 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
				n++
				body := c.body
				if c.ct != "" {
					w.Header().Set("Content-Type", c.ct)
				}
				if c.declare == -1 {
					w.Header().Set("Content-Length", fmt.Sprint(len(body)))
					body = body[:len(body)/2]
				}
				w.Write(body)
			})
			sink := start(t, func(k *Config) { k.Endpoint = srv.URL; once(k) })
			req := logsRequest()
			b := pipeline.Batch{Signal: pipeline.Logs, Request: req, Items: benchLogs}
			b = b.Cut(0, 10)
			a := pipeline.Read(sink.Consume(t.Context(), b), b.Items)
			if c.want < 0 && a.Refusal != nil && n == 1 {
				return
			}
			if a.RejectedItems() != c.want || a.Refusal != nil || n != 1 {
				t.Errorf("%s: destination turned down %d; told taken %d rejected %d refused %v in %d requests", c.name, c.want, a.Taken(), a.RejectedItems(), a.Refusal, n)
			}
		})
	}
}

// TestBrokenSuccess: a success whose answer breaks off, or stalls, is repeated once, and then counts as delivered: not for ever.
func TestBrokenSuccess(t *testing.T) {
	for _, stalls := range []bool{false, true} {
		t.Run(fmt.Sprint("stalls=", stalls), func(t *testing.T) {
			var n atomic.Int32
			srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
				n.Add(1)
				_, _ = io.Copy(io.Discard, r.Body) // else the server does not see the client leave
				w.Header().Set("Content-Length", "100")
				_, _ = w.Write([]byte("begin"))
				if stalls {
					w.(http.Flusher).Flush()
					<-r.Context().Done()
				}
			})
			sink := start(t, func(k *Config) {
				k.Endpoint, k.Timeout = srv.URL, 300*time.Millisecond
				k.Retry.InitialInterval = time.Millisecond
			})
			b := pipeline.Batch{Signal: pipeline.Logs, Request: logsRequest(), Items: benchLogs}
			if err := sink.Consume(t.Context(), b); err != nil || n.Load() != 2 {
				t.Errorf("%d requests, then %v; want 2 and delivered", n.Load(), err)
			}
		})
	}
}
