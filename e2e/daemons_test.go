package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	otellog "go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// promSink is Prometheus' own remote-write handler on Prometheus' own TSDB.
type promSink struct {
	port int
	db   *tsdb.DB
}

func newPromSink(t testing.TB) *promSink {
	t.Helper()
	opts := tsdb.DefaultOptions()
	opts.OutOfOrderTimeWindow = (10 * time.Minute).Milliseconds()
	db, err := tsdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, opts, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := remote.NewWriteHandler(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), db, remoteapi.MessageTypes{remoteapi.WriteV1MessageType}, false, false, false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go srv.Serve(l)
	t.Cleanup(func() {
		srv.Close()
		db.Close()
	})
	return &promSink{port: l.Addr().(*net.TCPAddr).Port, db: db}
}

// samples reads every sample of the series with the given labels.
func (s *promSink) samples(t testing.TB, matchers ...*labels.Matcher) (series int, values []float64) {
	t.Helper()
	q, err := s.db.Querier(0, time.Now().Add(time.Hour).UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(t.Context(), false, nil, matchers...)
	for set.Next() {
		series++
		it := set.At().Iterator(nil)
		for it.Next() != 0 {
			_, v := it.At()
			values = append(values, v)
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return series, values
}

// counterTarget is a scrape target whose one counter rises by one with every scrape: its value is the number of
// the sample.
type counterTarget struct {
	port int
	n    atomic.Int64
}

func newCounterTarget(t testing.TB) *counterTarget {
	t.Helper()
	c := &counterTarget{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.port = l.Addr().(*net.TCPAddr).Port
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# TYPE numbered_total counter\nnumbered_total{kind=\"e2e\"} %d\n", c.n.Add(1))
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return c
}

// twoDaemons is an agent and a collector as the configs folder has them, on free ports, with short intervals.
type twoDaemons struct {
	dir                      string
	agentHealth, agentOTLP   int
	collectorHealth          int
	agentMetrics, colMetrics int
	agentFile, collectorFile string
	agent, collector         *process
}

func startTwo(t *testing.T, prom, loki, traces, target int) *twoDaemons {
	t.Helper()
	d := &twoDaemons{dir: t.TempDir()}
	p := ports(t, 8)
	d.agentHealth, d.agentMetrics, d.collectorHealth, d.colMetrics = p[0], p[1], p[2], p[3]
	d.agentOTLP = p[4]
	d.collectorFile = file(t, d.dir, "collector.yaml", `receivers:
  otlp:
    protocols: {http: {endpoint: 127.0.0.1:%[1]d}}
processors:
  batch: {}
exporters:
  prometheus_remote_write: {endpoint: "http://127.0.0.1:%[2]d/api/v1/write"}
  loki: {endpoint: "http://127.0.0.1:%[3]d/loki/api/v1/push"}
  otlp_http: {endpoint: "http://127.0.0.1:%[4]d", compression: gzip}
extensions:
  health_check: {endpoint: 127.0.0.1:%[5]d}
service:
  extensions: [health_check]
  telemetry: {metrics: {address: 127.0.0.1:%[6]d}}
  pipelines:
    metrics: {receivers: [otlp], processors: [batch], exporters: [prometheus_remote_write]}
    logs: {receivers: [otlp], processors: [batch], exporters: [loki]}
    traces: {receivers: [otlp], processors: [batch], exporters: [otlp_http]}
`, p[5], prom, loki, traces, d.collectorHealth, d.colMetrics)
	d.agentFile = file(t, d.dir, "agent.yaml", `receivers:
  otlp:
    protocols: {http: {endpoint: 127.0.0.1:%[1]d}, grpc: {endpoint: 127.0.0.1:%[8]d}}
  prometheus:
    config:
      scrape_configs:
        - job_name: numbered
          scrape_interval: 250ms
          scrape_timeout: 250ms
          static_configs: [{targets: [127.0.0.1:%[2]d]}]
  tail: {include: [%[3]s/logs/*.log], start_at: beginning}
processors:
  batch: {}
  resource: {attributes: [{key: deployment.environment.name, action: upsert, value: e2e}]}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%[4]d", compression: zstd}
extensions:
  health_check: {endpoint: 127.0.0.1:%[5]d}
service:
  extensions: [health_check]
  telemetry: {metrics: {address: 127.0.0.1:%[6]d}}
  pipelines:
    metrics: {receivers: [otlp, prometheus], processors: [batch], exporters: [otlp_http]}
    logs: {receivers: [tail, otlp], processors: [resource, batch], exporters: [otlp_http]}
    traces: {receivers: [otlp], processors: [batch], exporters: [otlp_http]}
# %[7]s
`, p[4], target, d.dir, p[5], d.agentHealth, d.agentMetrics, "", p[6])
	d.collector = run(t, "sluice-collector", "--config", d.collectorFile, "--data-dir", d.dir+"/collector").ready(d.collectorHealth)
	d.agent = run(t, "sluice-agent", "--config", d.agentFile, "--data-dir", d.dir+"/agent").ready(d.agentHealth)
	t.Logf("agent OTLP on %d (HTTP) and %d (gRPC)", p[4], p[6])
	d.agentOTLP = p[4]
	d.sdk(t, p[4], p[6])
	return d
}

// sdk is a program with the OpenTelemetry Go SDK: it sends metrics and logs over HTTP and traces over gRPC to the agent and
// waits until each was accepted.
func (d *twoDaemons) sdk(t *testing.T, httpPort, grpcPort int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	res := resource.NewSchemaless(attribute.String("service.name", "sdk-app"), attribute.String("service.instance.id", "one"))
	endpoint := fmt.Sprintf("127.0.0.1:%d", httpPort)

	me, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpoint(endpoint), otlpmetrichttp.WithInsecure(), otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
	if err != nil {
		t.Fatal(err)
	}
	mp := metric.NewMeterProvider(metric.WithResource(res), metric.WithReader(metric.NewPeriodicReader(me)))
	c, err := mp.Meter("e2e").Int64Counter("app.orders")
	if err != nil {
		t.Fatal(err)
	}
	c.Add(ctx, 42)

	le, err := otlploghttp.New(ctx, otlploghttp.WithEndpoint(endpoint), otlploghttp.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	lp := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(sdklog.NewBatchProcessor(le)))
	var rec otellog.Record
	rec.SetTimestamp(time.Now())
	rec.SetBody(attribute.StringValue("source=sdk seq=0 end"))
	lp.Logger("e2e").Emit(ctx, rec)

	te, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(fmt.Sprintf("127.0.0.1:%d", grpcPort)), otlptracegrpc.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	tp := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(te))
	_, span := tp.Tracer("e2e").Start(ctx, "GET /orders")
	span.End()

	if err := errors.Join(mp.Shutdown(ctx), lp.Shutdown(ctx), tp.Shutdown(ctx)); err != nil {
		t.Fatalf("the SDK was not taken: %v", err)
	}
}

// TestTwoDaemons: agent and collector as two processes; metrics go to Prometheus' remote-write handler, logs to a Loki-like
// sink, traces to a foreign OTLP endpoint. Numbered samples and lines are complete, and an SDK program's data arrives.
func TestTwoDaemons(t *testing.T) {
	t.Parallel()
	prom, loki, traces, target := newPromSink(t), newLokiSink(t), newOTLPSink(t), newCounterTarget(t)
	d := startTwo(t, prom.port, loki.port, traces.port, target.port)
	w := writeLines(t, d.dir+"/logs/app.log", "app", linesPerSecond, rotateEvery)
	time.Sleep(4 * time.Second)
	if got := unaccounted(t, d.agentMetrics); got != 0 {
		t.Errorf("under load the agent's ledger does not close by %v", got)
	}
	if got := unaccounted(t, d.colMetrics); got != 0 {
		t.Errorf("under load the collector's ledger does not close by %v", got)
	}
	produced := w.end()
	eventually(t, 30*time.Second, "every line in Loki", func() bool { return loki.lines.unique("app") >= produced })
	d.agent.terminate()
	scraped := target.n.Load()
	d.collector.terminate()

	loki.lines.check(t, "app", produced, 0)
	loki.lines.check(t, "sdk", 1, 0)

	series, values := prom.samples(t,
		labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, "numbered_total"), labels.MustNewMatcher(labels.MatchEqual, "job", "numbered"),
		labels.MustNewMatcher(labels.MatchEqual, "kind", "e2e"), labels.MustNewMatcher(labels.MatchEqual, "instance", fmt.Sprintf("127.0.0.1:%d", target.port)))
	seen := map[int64]bool{}
	for _, v := range values {
		seen[int64(v)] = true
	}
	// The last scrape may have been cut off by the end of the agent; all before it must be there.
	for n := int64(1); n < scraped; n++ {
		if !seen[n] {
			t.Errorf("sample %d of %d is missing in Prometheus", n, scraped)
		}
	}
	if series != 1 || scraped < 8 {
		t.Errorf("%d series, %d scrapes", series, scraped)
	}
	if _, v := prom.samples(t, labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, "app_orders_total"),
		labels.MustNewMatcher(labels.MatchEqual, "job", "sdk-app"), labels.MustNewMatcher(labels.MatchEqual, "instance", "one")); len(v) == 0 || v[0] != 42 {
		t.Errorf("the SDK's counter is %v in Prometheus, want 42", v)
	}
	if traces.named("GET /orders") != 1 {
		t.Error("the SDK's span did not arrive")
	}
}

// TestTerminateUnderLoad: SIGTERM while clients push. Every request that was answered 200 is delivered; the
// process exits 0 and says what it left.
func TestTerminateUnderLoad(t *testing.T) {
	sink := newOTLPSink(t)
	sink.wait.Store(int64(20 * time.Millisecond))
	dir := t.TempDir()
	p := ports(t, 2)
	cfg := file(t, dir, "c.yaml", `receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:%[1]d}}}
processors:
  batch: {}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%[2]d"}
extensions:
  health_check: {endpoint: 127.0.0.1:%[3]d}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [otlp], processors: [batch], exporters: [otlp_http]}
`, p[0], sink.port, p[1])
	c := run(t, "sluice-collector", "--config", cfg, "--data-dir", dir).ready(p[1])
	var wg sync.WaitGroup
	acked := make([]int, 16)
	for i := range acked {
		wg.Go(func() { acked[i] = pushUntilRefused(t, p[0], fmt.Sprintf("client-%d", i)) })
	}
	time.Sleep(time.Second)
	c.terminate()
	wg.Wait()
	total := 0
	for i, n := range acked {
		sink.logs.check(t, fmt.Sprintf("client-%d", i), n, sinkSlack)
		total += n
	}
	if total == 0 {
		t.Error("nothing was acknowledged; the test proves nothing")
	}
	wantLast(t, c, `msg=stopped undelivered_items=0`)
}

// sinkSlack: a request in flight at the end may have been delivered without the client hearing of it.
const sinkSlack = 0
