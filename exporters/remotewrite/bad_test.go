package remotewrite

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/golang/snappy"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire/prom"
)

// scraped is n plain series at a time, in milliseconds, and one with a timestamp of its own that never moves.
func scraped(n int, at int64) pmetric.Metrics {
	md := gauges(n, at)
	ms := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
	ms.At(0).Metadata().PutStr(prom.TypeKey, "gauge")
	m := ms.AppendEmpty()
	m.SetName("x")
	m.Metadata().PutStr(prom.TypeKey, "gauge")
	p := m.SetEmptyGauge().DataPoints().AppendEmpty()
	p.SetTimestamp(pcommon.Timestamp(1000 * 1e6))
	p.SetDoubleValue(float64(at)) // another value for the same time
	return md
}

// TestASampleThatPrometheusRejectsCostsOnlyItself: Prometheus rolls back the whole request at the first bad sample. The bad
// series is found once, then gets its own request: one more per scrape.
func TestASampleThatPrometheusRejectsCostsOnlyItself(t *testing.T) {
	db, handler := prometheusServer(t)
	var requests atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler.ServeHTTP(w, r)
	}))
	defer srv.Close()
	sink, ledger := start(t, func(c *Config) { c.Endpoint = srv.URL; c.Retry.Enabled = false })
	lost := 0
	for i := range 12 {
		before := requests.Load()
		b := batch(t, scraped(300, int64(10_000+i*15_000)))
		a := pipeline.Read(sink.Consume(t.Context(), b), b.Items)
		if a.Refusal != nil {
			t.Fatal(a.Refusal)
		}
		lost += a.RejectedItems()
		if n := requests.Load() - before; i > 1 && n != 2 {
			t.Errorf("scrape %d took %d requests, want 2", i, n)
		}
	}
	stored := 0
	for _, l := range contents(t, db) {
		if strings.Contains(l, `"numbered"`) {
			stored++
		}
	}
	if stored != 12*300 || lost != 11 {
		t.Errorf("%d of 3600 samples are stored, %d are lost; want all, and 11 of x", stored, lost)
	}
	if ledger.Unaccounted() != 0 {
		t.Errorf("%d unaccounted for", ledger.Unaccounted())
	}
}

// TestBadSeriesSpreadOverATarget: 25 of 1,000 series, wherever they stand, cost their neighbours a few scrapes at most, and
// a few requests a scrape afterwards; one that is good again is stored again.
func TestBadSeriesSpreadOverATarget(t *testing.T) {
	_, handler := prometheusServer(t)
	var requests atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler.ServeHTTP(w, r)
	}))
	defer srv.Close()
	sink, ledger := start(t, func(c *Config) { c.Endpoint = srv.URL; c.Retry.Enabled = false })
	const n, scrapes, healed = 1000, 80, 40
	lost := make([]int, scrapes)
	before := int32(0)
	for i := range scrapes {
		at := int64(10_000 + i*15_000)
		md := gauges(n, at)
		ms := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
		points := ms.At(0).Gauge().DataPoints()
		for k := 0; k < n && i < healed; k += n / 25 {
			points.At(k).SetTimestamp(pcommon.Timestamp(1000 * 1e6))
			points.At(k).SetDoubleValue(float64(at))
		}
		b := batch(t, md)
		a := pipeline.Read(sink.Consume(t.Context(), b), b.Items)
		if a.Refusal != nil {
			t.Fatal(a.Refusal)
		}
		lost[i] = a.RejectedItems()
		if i == healed-10 {
			before = requests.Load()
		}
		if i == healed-1 {
			if per := float64(requests.Load()-before) / 9; per > 8 {
				t.Errorf("%.1f requests a scrape while 25 series are bad", per)
			}
		}
	}
	t.Logf("lost at each scrape: %v", lost)
	for i := 20; i < healed; i++ {
		if lost[i] != 25 {
			t.Errorf("scrape %d lost %d samples, want the 25 bad ones", i, lost[i])
		}
	}
	if lost[scrapes-1] != 0 {
		t.Errorf("the last scrape lost %d samples of series that are good again", lost[scrapes-1])
	}
	if ledger.Unaccounted() != 0 {
		t.Errorf("%d unaccounted for", ledger.Unaccounted())
	}
}

// TestStoredAndTheAnswerLost: what comes again because nobody heard the answer is delivered, not lost.
func TestStoredAndTheAnswerLost(t *testing.T) {
	db, handler := prometheusServer(t)
	var once sync.Once
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lost := false
		once.Do(func() { lost = true })
		if !lost {
			handler.ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(httptest.NewRecorder(), r)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
	}))
	defer srv.Close()
	sink, ledger := start(t, func(c *Config) { c.Endpoint = srv.URL })
	md := gauges(100, 1000)
	for _, at := range []int64{2000, 3000} {
		gauges(100, at).ResourceMetrics().MoveAndAppendTo(md.ResourceMetrics())
	}
	if err := sink.Consume(t.Context(), batch(t, md)); err != nil {
		t.Errorf("the client is told %v", err)
	}
	if n := len(contents(t, db)); n != 300 {
		t.Errorf("%d samples are stored, want 300", n)
	}
	for _, a := range ledger.Read() {
		if a.Signal == pipeline.Metrics && (a.Out.Items != 300 || len(a.Dropped) != 0) {
			t.Errorf("the books say %+v", a)
		}
	}
	if ledger.Unaccounted() != 0 {
		t.Errorf("%d unaccounted for", ledger.Unaccounted())
	}
}

// TestNothingOfOurOwnMakingIsOlder: a resource that brings something old for the first time gets no target_info of that
// time, behind the one that is there.
func TestNothingOfOurOwnMakingIsOlder(t *testing.T) {
	db, handler := prometheusServer(t)
	srv := httptest.NewServer(handler)
	defer srv.Close()
	sink, _ := start(t, func(c *Config) { c.Endpoint = srv.URL; c.Retry.Enabled = false })
	const now = int64(3_600_000)
	push := func(points map[string]int64) {
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", "s")
		rm.Resource().Attributes().PutStr("team", "t")
		sm := rm.ScopeMetrics().AppendEmpty()
		for name, at := range points {
			m := sm.Metrics().AppendEmpty()
			m.SetName(name)
			p := m.SetEmptyGauge().DataPoints().AppendEmpty()
			p.SetTimestamp(pcommon.Timestamp((now + at*1000) * 1e6))
		}
		if err := sink.Consume(t.Context(), batch(t, md)); err != nil {
			t.Errorf("%v: %v", points, err)
		}
	}
	push(map[string]int64{"a": 0})
	push(map[string]int64{"a": 15})
	push(map[string]int64{"a": 30, "b": -600})
	n := 0
	for _, l := range contents(t, db) {
		if !strings.Contains(l, "target_info") {
			n++
		}
	}
	if n != 4 {
		t.Errorf("%d samples are stored, want 4", n)
	}
}

// TestARequestOfTargetInfoAloneIsRefused: the whole batch is sent again. Nothing is lost, and what was delivered before
// counts only as delivered after refusal.
func TestARequestOfTargetInfoAloneIsRefused(t *testing.T) {
	db, handler := prometheusServer(t)
	refusing := true
	alone := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		plain, _ := snappy.Decode(nil, body)
		if !bytes.Contains(plain, []byte("numbered")) {
			alone++
			if refusing {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
		}
		handler.ServeHTTP(w, r)
	}))
	defer srv.Close()
	sink, ledger := start(t, func(c *Config) {
		c.Endpoint, c.Retry.Enabled, c.MaxBatchSizeBytes = srv.URL, false, minMaxBytes
	})
	md := gauges(12, 1000)
	for at := int64(2000); at <= 4000; at += 1000 {
		gauges(12, at).ResourceMetrics().MoveAndAppendTo(md.ResourceMetrics())
	}
	for i := range md.ResourceMetrics().Len() {
		attrs := md.ResourceMetrics().At(i).Resource().Attributes()
		attrs.PutStr("service.name", "s")
		attrs.PutStr("team", strings.Repeat("t", minMaxBytes))
	}
	b := batch(t, md)
	if _, again := pipeline.AsRefused(sink.Consume(t.Context(), b)); !again || alone == 0 {
		t.Fatalf("the first time it is not refused (%d requests of target_info alone)", alone)
	}
	refusing = false
	if err := sink.Consume(t.Context(), b); err != nil {
		t.Errorf("the second time: %v", err)
	}
	info, samples := 0, 0
	for _, l := range contents(t, db) {
		if strings.Contains(l, "target_info") {
			info++
		} else {
			samples++
		}
	}
	if info == 0 || samples != 48 {
		t.Errorf("%d samples and %d of target_info are stored", samples, info)
	}
	for _, a := range ledger.Read() {
		if a.Signal == pipeline.Metrics && (a.Out.Items != 48 || a.Refused.Items != 48 || len(a.Dropped) != 0 || a.DeliveredAfterRefusal != 48) {
			t.Errorf("the books say %+v", a)
		}
	}
	if ledger.Unaccounted() != 0 {
		t.Errorf("%d unaccounted for", ledger.Unaccounted())
	}
}

// TestAnotherValueIsNotThere: after a lost answer, Prometheus reports another value for the same time. That sample is not
// stored, whatever became of the first attempt.
func TestAnotherValueIsNotThere(t *testing.T) {
	_, handler := prometheusServer(t)
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 2 { // the second scrape does not arrive
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				conn.Close()
			}
			return
		}
		handler.ServeHTTP(w, r)
	}))
	defer srv.Close()
	sink, _ := start(t, func(c *Config) { c.Endpoint = srv.URL })
	for i := range 2 {
		b := batch(t, scraped(3, int64(10_000+i*15_000)))
		a := pipeline.Read(sink.Consume(t.Context(), b), b.Items)
		if a.Refusal != nil || a.RejectedItems() != i {
			t.Errorf("scrape %d: %+v, want %d rejected", i, a, i)
		}
	}
}

// TestARequestWithoutAnAnswerThatPrometheusNeverGot: some series in each of its first pieces are out of order. The good ones
// among them are not called delivered.
func TestARequestWithoutAnAnswerThatPrometheusNeverGot(t *testing.T) {
	db, handler := prometheusServer(t)
	lose := false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lose {
			lose = false
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				conn.Close()
			}
			return
		}
		handler.ServeHTTP(w, r)
	}))
	defer srv.Close()
	sink, ledger := start(t, func(c *Config) { c.Endpoint = srv.URL })
	future := gauges(320, 9000)
	i := 0
	future.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().RemoveIf(func(pmetric.NumberDataPoint) bool {
		i++
		return i%10 != 0
	})
	if err := sink.Consume(t.Context(), batch(t, future)); err != nil {
		t.Fatal(err)
	}
	md := gauges(320, 1000)
	for _, at := range []int64{2000, 3000} {
		gauges(320, at).ResourceMetrics().MoveAndAppendTo(md.ResourceMetrics())
	}
	lose = true
	a := pipeline.Read(sink.Consume(t.Context(), batch(t, md)), 960)
	if a.Refusal != nil {
		t.Fatal(a.Refusal)
	}
	if stored := len(contents(t, db)) - 32; stored != a.Taken() {
		t.Errorf("%d samples are stored, %d are called delivered", stored, a.Taken())
	}
	if ledger.Unaccounted() != 0 {
		t.Errorf("%d unaccounted for", ledger.Unaccounted())
	}
}
