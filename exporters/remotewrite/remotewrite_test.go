package remotewrite

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	storageremote "github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// start makes the exporter, stopped with the test.
func start(t testing.TB, change func(*Config)) (pipeline.Sink, *ledger.Ledger) {
	t.Helper()
	return startGathering(t, change, flushArena)
}

// startGathering makes the exporter with so many bytes of labels gathered before requests are made of them.
func startGathering(t testing.TB, change func(*Config), flushAt int) (pipeline.Sink, *ledger.Ledger) {
	t.Helper()
	c := Default()
	change(c)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, ledger := pipelinetest.Settings(t, pipeline.KindExporter, "prometheus_remote_write")
	k, err := New(s, c)
	if err != nil {
		t.Fatal(err)
	}
	k.(*Exporter).encoder.flushAt = flushAt
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		if err := k.(pipeline.Stopper).Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return s.Entrance(pipeline.Metrics, k), ledger
}

// gauges is one point of each of n series at a time.
func gauges(n int, at int64) pmetric.Metrics {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("numbered")
	g := m.SetEmptyGauge()
	for i := range n {
		p := g.DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.Timestamp(at * 1e6))
		p.SetDoubleValue(float64(at))
		p.Attributes().PutInt("i", int64(i))
	}
	return md
}

// prometheusServer is Prometheus' own remote-write handler on a TSDB.
func prometheusServer(t *testing.T) (*tsdb.DB, http.Handler) {
	t.Helper()
	o := tsdb.DefaultOptions()
	o.MinBlockDuration = int64(24 * time.Hour / time.Millisecond)
	o.MaxBlockDuration = o.MinBlockDuration
	o.EnableExemplarStorage, o.MaxExemplars = true, 1000
	db, err := tsdb.Open(t.TempDir(), promslog.NewNopLogger(), nil, o, tsdb.NewDBStats())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, storageremote.NewWriteHandler(promslog.NewNopLogger(), prometheus.NewRegistry(), db,
		remote.MessageTypes{remote.WriteV1MessageType}, false, false, false)
}

// contents is what a TSDB holds, one line a sample.
func contents(t *testing.T, db *tsdb.DB) (lines []string) {
	t.Helper()
	q, err := db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	ss := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, labels.MetricName, ".+"))
	for ss.Next() {
		it := ss.At().Iterator(nil)
		for typ := it.Next(); typ != chunkenc.ValNone; typ = it.Next() {
			if typ == chunkenc.ValFloat {
				at, v := it.At()
				lines = append(lines, fmt.Sprintf("%s %x @%d", ss.At().Labels(), math.Float64bits(v), at))
				continue
			}
			at, h := it.AtHistogram(nil)
			lines = append(lines, fmt.Sprintf("%s H %d %x @%d", ss.At().Labels(), h.Count, math.Float64bits(h.Sum), at))
		}
	}
	if ss.Err() != nil {
		t.Fatal(ss.Err())
	}
	slices.Sort(lines)
	return lines
}

// What Prometheus has stored in the end is what the batches said, complete and equal.
func TestPrometheusStoresWhatWasSent(t *testing.T) {
	db, handler := prometheusServer(t)
	srv := httptest.NewServer(handler)
	defer srv.Close()
	sink, _ := start(t, func(c *Config) { c.Endpoint, c.Queue.NumConsumers, c.MaxBatchSizeBytes = srv.URL, 3, 5000 })
	var want []string
	for i := range 5 {
		b := batch(t, gauges(200, 1_700_000_000_000+int64(i)*15_000))
		if err := sink.Consume(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		want = append(want, wanted(t, Default(), b)...)
	}
	slices.Sort(want)
	got := contents(t, db)
	if len(got) != 1000 || len(want) != 1000 {
		t.Fatalf("%d of %d samples arrived", len(got), len(want))
	}
	for i := range got {
		// Prometheus and our tests write label sets differently; values and times are the end of the line.
		if g, w := got[i][strings.LastIndex(got[i], "}"):], want[i][strings.LastIndex(want[i], "}"):]; g != w {
			t.Fatalf("%s, want %s", got[i], want[i])
		}
	}
}

func TestPrometheusTakesEveryType(t *testing.T) {
	db, handler := prometheusServer(t)
	srv := httptest.NewServer(handler)
	defer srv.Close()
	sink, ledger := start(t, func(c *Config) { c.Endpoint = srv.URL })
	// Points of one series and one time contradict each other in the generator; a fresh time each avoids that.
	md := everything(rand.New(rand.NewPCG(3, 4)))
	at := int64(1_700_000_000_000)
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				at = restamp(m, at)
			}
		}
	}
	b := batch(t, md)
	if err := sink.Consume(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	got := contents(t, db)
	if want := len(wanted(t, Default(), b)); len(got) == 0 || len(got) > want {
		t.Errorf("%d samples are stored of %d", len(got), want)
	}
	for _, name := range []string{"requests_seconds_total", "queue_length_seconds", "latency_bucket", "native", "quantiles", "target_info"} {
		if !slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, `"`+name+`"`) }) {
			t.Errorf("no %s is stored", name)
		}
	}
	if n := ledger.Unaccounted(); n != 0 {
		t.Errorf("%d items are unaccounted for", n)
	}
	// The delta sums were dropped, with a reason; all else is delivered, and the account closes.
	for _, a := range ledger.Read() {
		if a.Signal != pipeline.Metrics {
			continue
		}
		if a.Dropped[pipeline.DropUnsupported].Items != 6 || a.Out.Items != int64(b.Items-6) || a.Delivered.Items != a.Out.Items {
			t.Errorf("%+v", a)
		}
	}
}

// restamp gives every point of a metric a time of its own.
func restamp(m pmetric.Metric, at int64) int64 {
	next := func() pcommon.Timestamp { at += 15_000; return pcommon.Timestamp(at * 1e6) }
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		for _, p := range m.Gauge().DataPoints().All() {
			p.SetTimestamp(next())
		}
	case pmetric.MetricTypeSum:
		for _, p := range m.Sum().DataPoints().All() {
			p.SetTimestamp(next())
		}
	case pmetric.MetricTypeHistogram:
		for _, p := range m.Histogram().DataPoints().All() {
			p.SetTimestamp(next())
		}
	case pmetric.MetricTypeExponentialHistogram:
		for _, p := range m.ExponentialHistogram().DataPoints().All() {
			p.SetTimestamp(next())
		}
	case pmetric.MetricTypeSummary:
		for _, p := range m.Summary().DataPoints().All() {
			p.SetTimestamp(next())
		}
	}
	return at
}

// Through an outage each series keeps its order, and nothing is lost or sent twice in one call.
func TestOrderThroughAnOutage(t *testing.T) {
	var mu sync.Mutex
	requests, wrong := 0, 0
	last := map[string]int64{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if requests++; requests%3 != 0 {
			w.WriteHeader([]int{503, 429, 500}[requests%3])
			return
		}
		if r.Header.Get("X-Prometheus-Remote-Write-Version") != "0.1.0" || r.Header.Get("Content-Encoding") != "snappy" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			wrong++
		}
		wr, _ := decoded(t, body)
		for _, ts := range wr.Timeseries {
			key := labelText(ts.Labels)
			for _, s := range ts.Samples {
				if s.Timestamp <= last[key] {
					t.Errorf("%s: %d after %d", key, s.Timestamp, last[key])
				}
				last[key] = s.Timestamp
			}
		}
	}))
	defer srv.Close()
	sink, _ := start(t, func(c *Config) {
		c.Endpoint, c.Queue.NumConsumers, c.MaxBatchSizeBytes = srv.URL, 4, 3000
		c.Retry.InitialInterval, c.Retry.MaxInterval = time.Millisecond, 2*time.Millisecond
	})
	for i := range 10 {
		if err := sink.Consume(t.Context(), batch(t, gauges(300, int64(i+1)*1000))); err != nil {
			t.Fatal(err)
		}
	}
	if len(last) != 300 || wrong > 0 {
		t.Errorf("%d series, %d wrong headers", len(last), wrong)
	}
	for key, at := range last {
		if at != 10_000 {
			t.Errorf("%s ends at %d", key, at)
		}
	}
}

func TestRejectionsSayWhy(t *testing.T) {
	status, text := 400, "out of order sample"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	defer srv.Close()
	sink, _ := start(t, func(c *Config) { c.Endpoint, c.Retry.Enabled = srv.URL, false })
	b := batch(t, gauges(10, 1000))
	rej, ok := pipeline.AsRejected(sink.Consume(t.Context(), b))
	if !ok || rej.Reason != pipeline.DropOutOfOrder || rej.Count != 0 {
		t.Errorf("%+v", rej)
	}
	for _, status = range []int{401, 403, 404, 429, 500, 503} {
		if _, ok := pipeline.AsRefused(sink.Consume(t.Context(), b)); !ok {
			t.Errorf("%d is not refused", status)
		}
	}
}

// TestABadPartCostsOnlyItself: also if the exporter itself drops a point, which is counted once, and if only some requests
// of a batch are accepted. No sample arrives twice.
func TestABadPartCostsOnlyItself(t *testing.T) {
	for _, c := range []struct{ shards, size, flushAt int }{{1, 1 << 20, flushArena}, {1, 2000, flushArena}, {3, 2000, flushArena}, {2, 2000, 3000}} {
		var mu sync.Mutex
		arrived := map[string]int{}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			packed, _ := io.ReadAll(r.Body)
			if plain, err := snappy.Decode(nil, packed); err != nil || bytes.Contains(plain, []byte("poison")) {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			_, lines := decoded(t, packed)
			for _, l := range lines {
				arrived[l]++
			}
		}))
		sink, ledger := startGathering(t, func(to *Config) {
			to.Endpoint, to.Retry.Enabled, to.Queue.NumConsumers, to.MaxBatchSizeBytes = srv.URL, false, c.shards, c.size
		}, c.flushAt)
		poison := gauges(1, 1000)
		poison.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).SetName("poison")
		delta := pmetric.NewMetrics()
		m := delta.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("delta")
		m.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		m.Sum().DataPoints().AppendEmpty().SetTimestamp(1000 * 1e6)
		merged := pipeline.Batch{Signal: pipeline.Metrics}
		for _, md := range []pmetric.Metrics{gauges(100, 1000), poison, delta, gauges(150, 2000)} {
			b := batch(t, md)
			merged.Request = append(merged.Request, b.Request...)
			merged.Items += b.Items
		}
		rej, never := pipeline.AsRejected(sink.Consume(t.Context(), merged))
		srv.Close()
		if !never || rej.Len() != 1 || len(arrived) != 250 {
			t.Errorf("%+v: the answer is %+v, %d samples arrived", c, rej, len(arrived))
		}
		for line, times := range arrived {
			if times != 1 {
				t.Errorf("%+v: %s arrived %d times", c, line, times)
			}
		}
		for _, a := range ledger.Read() {
			if a.Signal == pipeline.Metrics &&
				(a.Out.Items != 250 || a.Delivered.Items != 250 || a.Dropped[pipeline.DropRejected].Items != 1 || a.Dropped[pipeline.DropUnsupported].Items != 1) {
				t.Errorf("%+v: the books say %+v", c, a)
			}
		}
		if ledger.Unaccounted() != 0 {
			t.Errorf("%+v: %d unaccounted for", c, ledger.Unaccounted())
		}
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	c := Default()
	c.Compression, c.ProtobufMessage, c.MaxBatchSizeBytes, c.MaxBatchRequestParallelism = "zstd", "v3", 1, -1
	c.Queue, c.TranslationStrategy = Queue{Enabled: true}, "NoTranslation"
	c.ExternalLabels = map[string]string{"a-b": "c"}
	err := c.Validate()
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, key := range []string{
		"endpoint", "compression", "protobuf_message", "remote_write_queue::queue_size", "remote_write_queue::num_consumers",
		"max_batch_request_parallelism", "max_batch_size_bytes", "external_labels", "translation_strategy",
	} {
		if !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("nothing is said about %q in %v", key, err)
		}
	}
}

// TestFreshFirstNeedsADestinationOutOfOrder: the setting would lose samples elsewhere.
func TestFreshFirstNeedsADestinationOutOfOrder(t *testing.T) {
	c := Default()
	c.Endpoint, c.Queue.Storage, c.Queue.Recovery = "http://x/api/v1/write", "file_storage", "fresh_first"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `"remote_write_queue::recovery" is fresh_first`) || !strings.Contains(err.Error(), `"out_of_order: true"`) {
		t.Errorf("without out_of_order: %v", err)
	}
	c.OutOfOrder = true
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	c.Queue.Storage = ""
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `"remote_write_queue::storage"`) {
		t.Errorf("without storage: %v", err)
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
