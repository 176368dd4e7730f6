package otlp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a running receiver.
type server struct {
	http, grpc string
	budget     *pipeline.Budget
	receiver   *Receiver
}

func start(t testing.TB, sink pipeline.Sink, change func(*Config, *pipeline.Settings)) *server {
	t.Helper()
	cfg := Default()
	cfg.Protocols.GRPC.GetOrInsertDefault().NetAddr.Endpoint = "127.0.0.1:0"
	cfg.Protocols.HTTP.GetOrInsertDefault().NetAddr.Endpoint = "127.0.0.1:0"
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "otlp")
	var addrs []string
	s.Listen = func(ctx context.Context, network, address string) (net.Listener, error) {
		ln, err := (&net.ListenConfig{}).Listen(ctx, network, address)
		if err == nil {
			addrs = append(addrs, ln.Addr().String())
		}
		return ln, err
	}
	if change != nil {
		change(cfg, &s)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	r, err := New(s, cfg, pipeline.OutputsTo(sink, pipeline.Signals[:]...))
	if err != nil {
		t.Fatal(err)
	}
	rec := r.(*Receiver)
	if err := rec.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		rec.Stop(ctx)
		http.DefaultClient.CloseIdleConnections()
		if used := s.Budget.Used(); used != 0 {
			t.Errorf("%d bytes of the budget are still reserved after the stop", used)
		}
	})
	return &server{grpc: addrs[0], http: "http://" + addrs[1], budget: s.Budget, receiver: rec}
}

func sampleLogs(n int) plog.Logs {
	l := plog.NewLogs()
	rl := l.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for i := range n {
		r := records.AppendEmpty()
		r.SetTimestamp(1)
		r.Body().SetStr(fmt.Sprintf("record %d of a log that says what it has to say", i))
		r.Attributes().PutInt("i", int64(i))
	}
	return l
}

func sampleMetrics() pmetric.Metrics {
	m := pmetric.NewMetrics()
	g := m.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	g.SetName("g")
	dp := g.SetEmptyGauge().DataPoints().AppendEmpty()
	dp.SetDoubleValue(1.5)
	dp.SetTimestamp(3)
	return m
}

func sampleTraces() ptrace.Traces {
	tr := ptrace.NewTraces()
	s := tr.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	s.SetName("GET /")
	s.SetTraceID([16]byte{1})
	s.SetSpanID([8]byte{2})
	return tr
}

// marshaler is any of pdata's three export requests.
type marshaler interface {
	MarshalProto() ([]byte, error)
	MarshalJSON() ([]byte, error)
}

func requests() map[wire.Signal]marshaler {
	return map[wire.Signal]marshaler{
		wire.Logs:    plogotlp.NewExportRequestFromLogs(sampleLogs(10)),
		wire.Metrics: pmetricotlp.NewExportRequestFromMetrics(sampleMetrics()),
		wire.Traces:  ptraceotlp.NewExportRequestFromTraces(sampleTraces()),
	}
}

func encoded(t testing.TB, m marshaler) []byte {
	t.Helper()
	b, err := m.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compress(t testing.TB, encoding string, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	default:
		return body
	}
	w.Write(body)
	w.Close()
	return b.Bytes()
}

// response is what a client saw.
type response struct {
	code   int
	header http.Header
	body   string
}

func post(t testing.TB, url, contentType, encoding string, body []byte) response {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{res.StatusCode, res.Header, string(text)}
}

// TestBytesArriveAsSent: every signal in every encoding over HTTP reaches the sink as the client's protobuf, byte
// for byte. It fails when confighttp inflates by itself, because then Content-Encoding does not reach us.
func TestBytesArriveAsSent(t *testing.T) {
	sink := &pipelinetest.Recorder{}
	srv := start(t, sink, nil)
	for sig, req := range requests() {
		want := encoded(t, req)
		for _, enc := range []string{"", "identity", "gzip", "zstd"} {
			res := post(t, srv.http+"/v1/"+sig.String(), typeProtobuf, enc, compress(t, enc, want))
			if res.code != 200 || res.body != "" || res.header.Get("Content-Type") != typeProtobuf {
				t.Errorf("%s %s: answered %d %q (%s)", sig, enc, res.code, res.body, res.header.Get("Content-Type"))
			}
			got := sink.Batches()[len(sink.Batches())-1]
			if got.Signal != sig || !bytes.Equal(got.Request, want) || got.Items != wire.Count(sig, want) || got.Origin.Peer == "" {
				t.Errorf("%s %s: the sink got %s, %d items, %d bytes from %q", sig, enc, got.Signal, got.Items, len(got.Request), got.Origin.Peer)
			}
		}
		text, err := req.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		res := post(t, srv.http+"/v1/"+sig.String(), "application/json; charset=utf-8", "gzip", compress(t, "gzip", text))
		if res.code != 200 || res.body != "{}" {
			t.Errorf("%s JSON: answered %d %q", sig, res.code, res.body)
		}
		if got := sink.Batches()[len(sink.Batches())-1]; !bytes.Equal(got.Request, want) {
			t.Errorf("%s JSON: the sink got other bytes than protobuf gives", sig)
		}
	}
}

func dial(t testing.TB, addr string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestGRPC(t *testing.T) {
	sink := &pipelinetest.Recorder{}
	srv := start(t, sink, nil)
	conn := dial(t, srv.grpc)
	for _, opts := range [][]grpc.CallOption{nil, {grpc.UseCompressor("gzip")}, {grpc.UseCompressor("zstd")}} {
		if _, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), plogotlp.NewExportRequestFromLogs(sampleLogs(5000)), opts...); err != nil {
			t.Error(err)
		}
		if _, err := pmetricotlp.NewGRPCClient(conn).Export(t.Context(), pmetricotlp.NewExportRequestFromMetrics(sampleMetrics()), opts...); err != nil {
			t.Error(err)
		}
		if _, err := ptraceotlp.NewGRPCClient(conn).Export(t.Context(), ptraceotlp.NewExportRequestFromTraces(sampleTraces()), opts...); err != nil {
			t.Error(err)
		}
	}
	want := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(5000)))
	n := 0
	for _, b := range sink.Batches() {
		if b.Signal == wire.Logs {
			n++
			if !bytes.Equal(b.Request, want) || b.Items != 5000 {
				t.Error("the sink got other bytes than were sent")
			}
		}
	}
	if n != 3 || len(sink.Batches()) != 9 {
		t.Errorf("%d requests arrived, %d of them logs; want 9 and 3", len(sink.Batches()), n)
	}
}

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

// TestAdmission: while the budget is taken, both doors refuse and say when to come back; the request that has it
// is served.
func TestAdmission(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	var n atomic.Int32
	srv := start(t, pipeline.SinkFunc(func(context.Context, pipeline.Batch) error {
		if n.Add(1) == 1 {
			close(inside)
			<-leave
		}
		return nil
	}), func(_ *Config, s *pipeline.Settings) { s.Budget = pipeline.NewBudget(100 << 10) })
	body := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(400)))
	first := make(chan response)
	go func() { first <- post(t, srv.http+"/v1/logs", typeProtobuf, "", body) }()
	<-inside
	res := post(t, srv.http+"/v1/logs", typeProtobuf, "gzip", compress(t, "gzip", body))
	if res.code != 503 || res.header.Get("Retry-After") != "1" {
		t.Errorf("answered %d, Retry-After %q; want 503 and 1", res.code, res.header.Get("Retry-After"))
	}
	_, err := plogotlp.NewGRPCClient(dial(t, srv.grpc)).Export(t.Context(), plogotlp.NewExportRequestFromLogs(sampleLogs(1)))
	if status.Code(err) != codes.Unavailable {
		t.Errorf("gRPC answered %v, want UNAVAILABLE", err)
	}
	close(leave)
	if res := <-first; res.code != 200 {
		t.Errorf("the request inside was answered %d", res.code)
	}
}

// TestADestinationThatDoesNotAnswer: the client is told to try again before it gives up by itself.
func TestADestinationThatDoesNotAnswer(t *testing.T) {
	srv := start(t, pipeline.SinkFunc(func(ctx context.Context, _ pipeline.Batch) error {
		<-ctx.Done()
		return pipeline.Withdrawn(ctx)
	}), func(c *Config, _ *pipeline.Settings) { c.RequestTimeout = 50 * time.Millisecond })
	if res := post(t, srv.http+"/v1/logs", typeProtobuf, "", encoded(t, requests()[wire.Logs])); res.code != 503 {
		t.Errorf("answered %d, want 503", res.code)
	}
}

func TestConfigFaults(t *testing.T) {
	cfg := Default()
	cfg.RequestTimeout = 0
	err := cfg.Validate()
	if err == nil || !strings.Contains(err.Error(), `"protocols"`) || !strings.Contains(err.Error(), `"request_timeout"`) {
		t.Errorf("got %v", err)
	}
}

func outputs(s pipeline.Sink) pipeline.Outputs { return pipeline.OutputsTo(s, pipeline.Signals[:]...) }
