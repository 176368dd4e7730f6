package otlp

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// TestAnswers holds the table of the README: what the sink says and what the client hears.
func TestAnswers(t *testing.T) {
	var answer error
	srv := start(t, pipeline.SinkFunc(func(context.Context, pipeline.Batch) error { return answer }), nil)
	conn := dial(t, srv.grpc)
	body := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(10)))
	overload := pipeline.Refuse(1500*time.Millisecond, errors.New("slow down"))
	overload.Overload = true
	for _, c := range []struct {
		name       string
		answer     error
		http       int
		retryAfter string
		grpc       codes.Code
		retryInfo  bool
		rejected   int64
	}{
		{name: "safe", http: 200},
		{name: "refused", answer: pipeline.Refuse(3*time.Second, errors.New("the destination is away")), http: 503, retryAfter: "3", grpc: codes.Unavailable, retryInfo: true},
		{name: "refused without a delay", answer: errors.New("something"), http: 503, grpc: codes.Unavailable, retryInfo: true},
		{name: "overload", answer: overload, http: 429, retryAfter: "2", grpc: codes.ResourceExhausted, retryInfo: true},
		{name: "rejected", answer: pipeline.Reject(10, pipeline.DropRejected, errors.New("never")), http: 400, grpc: codes.InvalidArgument},
		{name: "some rejected", answer: pipeline.Reject(4, pipeline.DropTooOld, errors.New("four are too old")), http: 200, rejected: 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer = c.answer
			res := post(t, srv.http+"/v1/logs", typeProtobuf, "", body)
			if res.code != c.http || res.header.Get("Retry-After") != c.retryAfter {
				t.Errorf("HTTP: %d, Retry-After %q; want %d, %q", res.code, res.header.Get("Retry-After"), c.http, c.retryAfter)
			}
			if c.rejected > 0 {
				r := plogotlp.NewExportResponse()
				if err := r.UnmarshalProto([]byte(res.body)); err != nil || r.PartialSuccess().RejectedLogRecords() != c.rejected {
					t.Errorf("HTTP: partial success %d, %v; want %d", r.PartialSuccess().RejectedLogRecords(), err, c.rejected)
				}
			}
			out, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), plogotlp.NewExportRequestFromLogs(sampleLogs(10)))
			st := status.Convert(err)
			if st.Code() != c.grpc {
				t.Errorf("gRPC: %v, want %s", err, c.grpc)
			}
			info := false
			for _, d := range st.Details() {
				_, is := d.(*errdetails.RetryInfo)
				info = info || is
			}
			if info != c.retryInfo {
				t.Errorf("gRPC: RetryInfo is %v, want %v", info, c.retryInfo)
			}
			if err == nil && out.PartialSuccess().RejectedLogRecords() != c.rejected {
				t.Errorf("gRPC: %d rejected, want %d", out.PartialSuccess().RejectedLogRecords(), c.rejected)
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	sink := &pipelinetest.Recorder{}
	srv := start(t, sink, func(c *Config, _ *pipeline.Settings) { c.Protocols.HTTP.Get().MaxRequestBodySize = 20 << 20 })
	big := 20<<20 - 1
	for _, c := range []struct {
		name, path, contentType, encoding string
		body                              []byte
		want                              int
		says                              string
	}{
		{"20 MiB of [", "/v1/logs", typeJSON, "", bytes.Repeat([]byte{'['}, big), 400, "nests deeper"},
		{"20 MiB of nested arrayValue in JSON", "/v1/logs", typeJSON, "", bytes.Repeat([]byte(`{"arrayValue":{"values":[`), big/26), 400, "nests deeper"},
		{"20 MiB of nested arrayValue in protobuf", "/v1/logs", typeProtobuf, "", nestedArrays(big - 1024), 400, "resource_logs[0]"},
		{"not protobuf", "/v1/traces", typeProtobuf, "", []byte("hello"), 400, ""},
		{"not JSON", "/v1/traces", typeJSON, "", []byte("{]"), 400, "cannot read OTLP/JSON"},
		{"two documents", "/v1/logs", typeJSON, "", []byte("{\"resourceLogs\":[{}]}\n{\"resourceLogs\":[{}]}"), 400, "ends at byte 21 of 43"},
		{"two documents in gzip", "/v1/logs", typeJSON, "gzip", compress(t, "gzip", []byte("{} {}")), 400, "its own request"},
		{"garbage behind the document", "/v1/metrics", typeJSON, "", []byte("{}x"), 400, "ends at byte 2 of 3"},
		{"null in front of the document", "/v1/logs", typeJSON, "", []byte("null {}"), 400, "begins with 'n'"},
		{"space around the document", "/v1/logs", typeJSON, "", []byte(" {\"a\":\"}\"}\r\n\t "), 200, "{}"},
		{"an empty JSON body", "/v1/logs", typeJSON, "", nil, 400, "cannot read OTLP/JSON"},
		{"a lying length", "/v1/metrics", typeProtobuf, "", []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1}, 400, ""},
		{"no gzip", "/v1/logs", typeProtobuf, "gzip", []byte("hello"), 400, "gzip"},
		{"a gzip that ends early", "/v1/logs", typeProtobuf, "gzip", compress(t, "gzip", bytes.Repeat([]byte{0}, 1<<16))[:40], 400, ""},
		{"a bomb", "/v1/logs", typeProtobuf, "zstd", compress(t, "zstd", make([]byte, 64<<20)), 413, "max_request_body_size"},
		{"unknown encoding", "/v1/logs", typeProtobuf, "br", []byte("x"), 415, "gzip, zstd"},
		{"unknown type", "/v1/logs", "text/plain", "", []byte("x"), 415, typeProtobuf},
		{"too large", "/v1/logs", typeProtobuf, "", make([]byte, 21<<20), 413, "max_request_body_size"},
		{"empty", "/v1/logs", typeProtobuf, "", nil, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			begin := time.Now()
			res := post(t, srv.http+c.path, c.contentType, c.encoding, c.body)
			if res.code != c.want || !strings.Contains(res.body, c.says) {
				t.Errorf("answered %d %.200q; want %d and %q", res.code, res.body, c.want, c.says)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
	if n := len(sink.Batches()); n != 0 {
		t.Errorf("%d bad requests reached the sink", n)
	}
	res := post(t, srv.http+"/v1/logs", typeProtobuf, "", encoded(t, requests()[wire.Logs]))
	if res.code != 200 || len(sink.Batches()) != 1 {
		t.Errorf("after all that a good request is answered %d", res.code)
	}
	get, err := http.Get(srv.http + "/v1/logs")
	if err != nil || get.StatusCode != 405 {
		t.Errorf("GET: %v %v", get, err)
	}
	get.Body.Close()
}

// TestInvalidRequestsAreCounted: every 400 for a body counts, that of a decompressor too; other answers do not.
func TestInvalidRequestsAreCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	srv := start(t, &pipelinetest.Counter{}, func(_ *Config, s *pipeline.Settings) { s.Metrics = reg })
	want := 0.0
	for _, c := range []struct {
		contentType, encoding string
		body                  []byte
		code                  int
	}{
		{typeProtobuf, "gzip", []byte("hello"), 400},
		{typeProtobuf, "zstd", []byte("hello"), 400},
		{typeJSON, "GZip", compress(t, "gzip", []byte("{}"))[:20], 400},
		{typeProtobuf, "", []byte("hello"), 400},
		{typeJSON, "", []byte("{}{}"), 400},
		{typeJSON, "GZIP", compress(t, "gzip", []byte("{}")), 200},
		{typeJSON, "Identity", []byte("{}"), 200},
		{typeProtobuf, "br", []byte("hello"), 415},
		{typeProtobuf, "ZSTD", compress(t, "zstd", make([]byte, defaultMaxBody+1)), 413},
	} {
		if res := post(t, srv.http+"/v1/logs", c.contentType, c.encoding, c.body); res.code != c.code {
			t.Errorf("%s %s: answered %d %s, want %d", c.contentType, c.encoding, res.code, res.body, c.code)
		}
		if c.code == 400 {
			want++
		}
		if got := counted(t, reg, "sluice_receiver_invalid_requests_total"); got != want {
			t.Errorf("%s %s: %v invalid requests are counted, want %v", c.contentType, c.encoding, got, want)
		}
	}
}

func counted(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("there is no " + name)
	return 0
}

// nestedArrays is a log request of about n bytes whose body is arrays in arrays, made from the inside out with
// right lengths. Quadratic copying is avoided by writing backwards.
func nestedArrays(n int) []byte {
	buf := make([]byte, n+64)
	at := len(buf)
	wrap := func(field int) {
		size := len(buf) - at
		head := wire.AppendVarint(wire.AppendTag(nil, field, wire.TypeBytes), uint64(size))
		at -= len(head)
		copy(buf[at:], head)
	}
	for at > 64 {
		wrap(wire.FieldArrayValues)
		wrap(wire.FieldValueArray)
	}
	wrap(wire.FieldLogBody)
	wrap(wire.FieldScopeXItem)
	wrap(wire.FieldResourceXScope)
	wrap(wire.FieldRequestResource)
	return buf[at:]
}

func TestNoPipelineForASignal(t *testing.T) {
	srv := start(t, nil, nil)
	res := post(t, srv.http+"/v1/logs", typeProtobuf, "", encoded(t, requests()[wire.Logs]))
	if res.code != 404 || !strings.Contains(res.body, "no pipeline takes logs") {
		t.Errorf("answered %d %q", res.code, res.body)
	}
	_, err := plogotlp.NewGRPCClient(dial(t, srv.grpc)).Export(t.Context(), plogotlp.NewExportRequestFromLogs(sampleLogs(1)))
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("gRPC answered %v", err)
	}
}
