package otlp

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

const (
	inRecords = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[`
	inSpans   = `{"resourceSpans":[{"scopeSpans":[{"spans":[`
	inMetrics = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[`
	inPoints  = inMetrics + `{"histogram":{"dataPoints":[`
)

// crowded is about a MiB of JSON with element again and again in the array that head opens.
func crowded(head, element string) []byte {
	text := head + strings.Repeat(element+",", 1<<20/(len(element)+1)) + element
	closing := map[rune]string{'[': "]", '{': "}"}
	tail := ""
	for _, c := range head {
		tail = closing[c] + tail
	}
	return []byte(text + tail)
}

func usualJSON(t *testing.T, records int) []byte {
	t.Helper()
	text, err := plogotlp.NewExportRequestFromLogs(sampleLogs(records)).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestWhatJSONNeeds: the reservation covers what the transcoding holds, for the largest messages and the smallest
// elements, and stays fair for a usual log.
func TestWhatJSONNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		sig  wire.Signal
		text []byte
	}{
		"records":         {wire.Logs, crowded(inRecords, `{}`)},
		"spans":           {wire.Traces, crowded(inSpans, `{}`)},
		"null":            {wire.Traces, crowded(inSpans, `null`)},
		"histograms":      {wire.Metrics, crowded(inMetrics, `{"exponentialHistogram":{"dataPoints":[{}]}}`)},
		"points":          {wire.Metrics, crowded(inPoints, `{}`)},
		"exemplars":       {wire.Metrics, crowded(inPoints+`{"exemplars":[`, `{}`)},
		"bounds":          {wire.Metrics, crowded(inPoints+`{"explicitBounds":[`, `1`)},
		"keys":            {wire.Logs, crowded(`{"resourceLogs":[{"resource":{"entityRefs":[{"idKeys":[`, `""`)},
		"attributes":      {wire.Logs, crowded(inRecords+`{"attributes":[`, `{"value":{"arrayValue":{}}}`)},
		"one long string": {wire.Logs, crowded(inRecords, `{"body":{"stringValue":"`+strings.Repeat("x", 1<<19)+`"}}`)},
		"usual":           {wire.Logs, usualJSON(t, 8000)},
	} {
		found, err := scan(c.text)
		if err != nil {
			t.Fatal(err)
		}
		need, held := found.need(c.text), peak(func() {
			if _, err := transcode(c.sig, c.text, found.end); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		held += int64(len(c.text))
		t.Logf("%s: %d bytes of JSON held %d and had reserved %d", name, len(c.text), held, need)
		if held > need+need/4 { // the collector lags behind
			t.Errorf("%s: %d bytes of JSON held %d and had reserved %d", name, len(c.text), held, need)
		}
		if limit := 9 * int64(len(c.text)); name == "usual" && need > limit {
			t.Errorf("%s: %d bytes of JSON reserve %d, want at most %d", name, len(c.text), need, limit)
		}
	}
}

// peak is how far the heap grows in f.
func peak(f func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	heap := func() int64 {
		m := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(m)
		return int64(m[0].Value.Uint64())
	}
	base, most := heap(), int64(math.MinInt64)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			most = max(most, heap())
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Microsecond):
			}
		}
	}()
	f()
	close(stop)
	<-stopped
	return most - base
}

// TestLargeJSONBesideOthers: with a limit of 64 MiB, a usual 4 MB JSON body is admitted beside another request and later
// holds only its protobuf; one that can never fit beside others is told so.
func TestLargeJSONBesideOthers(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	var n atomic.Int32
	var srv *server
	small := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(1)))
	srv = start(t, pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
		if n.Add(1) == 1 {
			close(inside)
			<-leave
		} else if used, want := srv.budget.Used(), int64(3*(len(small)+len(b.Request))); used != want {
			t.Errorf("%d bytes are reserved while the converted JSON waits, want %d", used, want)
		}
		return nil
	}), func(_ *Config, s *pipeline.Settings) { s.Budget = pipeline.NewBudget(64 << 20) })
	first := make(chan response)
	go func() { first <- post(t, srv.http+"/v1/logs", typeProtobuf, "", small) }()
	<-inside
	text := usualJSON(t, 27_000)
	if res := post(t, srv.http+"/v1/logs", typeJSON, "", text); res.code != 200 {
		t.Errorf("%d bytes of JSON: answered %d %s", len(text), res.code, res.body)
	}
	res := post(t, srv.http+"/v1/traces", typeJSON, "", crowded(inSpans, `{}`))
	for _, says := range []string{"the limit is 67108864", "limit_mib", "protobuf", "only while nothing else is inside"} {
		if res.code != 503 || !strings.Contains(res.body, says) {
			t.Errorf("answered %d %s; want 503 and %q", res.code, res.body, says)
		}
	}
	close(leave)
	if res := <-first; res.code != 200 {
		t.Errorf("the request inside was answered %d", res.code)
	}
}

// TestHollowJSON: a request of empty elements is not let in where it needs more than the limit; others are, alone.
func TestHollowJSON(t *testing.T) {
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "otlp")
	s.Budget = pipeline.NewBudget(8 << 20)
	h := &httpServer{in: &intake{budget: s.Budget, invalid: prometheus.NewCounter(prometheus.CounterOpts{Name: "x"})}}
	lease, err := s.Budget.Reserve(0)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	hollow := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + strings.Repeat("{},", 300_000) + `{}]}]}]}`
	if _, err := h.fromJSON(&lease, wire.Logs, []byte(hollow)); err == nil || !strings.Contains(err.Error(), "more than the limit") {
		t.Errorf("300,000 empty records in %d bytes: %v", len(hollow), err)
	}
	full := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"` + strings.Repeat("a long line ", 400_000) + `"}}]}]}]}`
	if _, err := h.fromJSON(&lease, wire.Logs, []byte(full)); err != nil {
		t.Errorf("one large record while nothing else is inside: %v", err)
	}
}
