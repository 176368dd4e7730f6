package e2e

import (
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/klauspost/compress/zstd"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// otlpSink is a foreign OTLP/HTTP endpoint: the public protobuf library decodes, a tally counts.
type otlpSink struct {
	port  int
	logs  *tally
	spans atomic.Int64
	mu    sync.Mutex
	names map[string]int // of spans and metrics
	close func()         // also ends its connections

	wait   atomic.Int64 // how long each answer takes, in nanoseconds
	status atomic.Int64 // answered instead of 200 when not 0

	requests atomic.Int64
	most     atomic.Int64 // requests over this many are answered 503; 0: no limit
}

func newOTLPSink(t testing.TB) *otlpSink {
	t.Helper()
	return otlpSinkAt(t, "127.0.0.1:0")
}

func otlpSinkAt(t testing.TB, address string) *otlpSink {
	t.Helper()
	s := &otlpSink{logs: newTally(), names: map[string]int{}}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	srv := &http.Server{Handler: http.HandlerFunc(s.serve)}
	go srv.Serve(l)
	s.close = func() { srv.Close() }
	t.Cleanup(s.close)
	return s
}

func (s *otlpSink) serve(w http.ResponseWriter, r *http.Request) {
	time.Sleep(time.Duration(s.wait.Load()))
	if code := s.status.Load(); code != 0 {
		w.WriteHeader(int(code))
		return
	}
	if n, most := s.requests.Add(1), s.most.Load(); most > 0 && n > most {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	body, err := plain(r)
	if err == nil {
		err = s.take(r.URL.Path, body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func plain(r *http.Request) ([]byte, error) {
	var body io.Reader = r.Body
	switch r.Header.Get("Content-Encoding") {
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = z
	case "zstd":
		z, err := zstd.NewReader(body)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return io.ReadAll(z)
	}
	return io.ReadAll(body)
}

func (s *otlpSink) take(path string, body []byte) error {
	switch path {
	case "/v1/logs":
		var req collogs.ExportLogsServiceRequest
		if err := proto.Unmarshal(body, &req); err != nil {
			return err
		}
		s.logRecords(&req)
	case "/v1/traces":
		var req coltrace.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &req); err != nil {
			return err
		}
		for _, rs := range req.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, sp := range ss.Spans {
					s.spans.Add(1)
					s.name(sp.Name)
				}
			}
		}
	case "/v1/metrics":
		var req colmetrics.ExportMetricsServiceRequest
		if err := proto.Unmarshal(body, &req); err != nil {
			return err
		}
		for _, rm := range req.ResourceMetrics {
			for _, sm := range rm.ScopeMetrics {
				for _, m := range sm.Metrics {
					s.name(m.Name)
				}
			}
		}
	default:
		return fmt.Errorf("unknown path %s", path)
	}
	return nil
}

func (s *otlpSink) logRecords(req *collogs.ExportLogsServiceRequest) {
	for _, rl := range req.ResourceLogs {
		for _, sl := range rl.ScopeLogs {
			for _, rec := range sl.LogRecords {
				s.logs.line(rec.GetBody().GetStringValue())
			}
		}
	}
}

func (s *otlpSink) name(n string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[n]++
}

func (s *otlpSink) named(n string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[n]
}

// lokiSink is Loki's push endpoint, decoded by Loki's own types.
type lokiSink struct {
	port  int
	lines *tally
}

func newLokiSink(t testing.TB) *lokiSink {
	t.Helper()
	s := &lokiSink{lines: newTally()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		packed, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body, err := snappy.Decode(nil, packed)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var req push.PushRequest
		if err := req.Unmarshal(body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, stream := range req.Streams {
			for _, e := range stream.Entries {
				s.lines.line(e.Line)
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return s
}
