package otlp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
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

// TestBytesArriveAsSent: every signal in every encoding over HTTP reaches the sink as the client's protobuf, byte for byte.
// It fails if confighttp inflates, because then Content-Encoding does not reach us.
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

func outputs(s pipeline.Sink) pipeline.Outputs { return pipeline.OutputsTo(s, pipeline.Signals[:]...) }
