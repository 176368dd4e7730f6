package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// counters are the counters of a process, histograms' among them, by name and labels.
func counters(t testing.TB, metrics int) map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(fetch(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics))))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for name, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			series := name + "{" + strings.Join(labels, ",") + "}"
			if m.Counter != nil {
				out[series] = m.Counter.GetValue()
			}
			if h := m.Histogram; h != nil {
				out[series+" count"], out[series+" sum"] = float64(h.GetSampleCount()), h.GetSampleSum()
			}
		}
	}
	return out
}

// TestDuplicatesAreCountedOverAReload: a fan-out to a working and a dead destination, and a request that is split and partly
// refused. Deliveries without acknowledgement are counted, and no counter falls when SIGHUP replaces the components.
func TestDuplicatesAreCountedOverAReload(t *testing.T) {
	t.Parallel()
	const n, part = 300, 100
	dir := t.TempDir()
	alive, partly := newOTLPSink(t), newOTLPSink(t)
	partly.most.Store(1)
	p := ports(t, 5)
	config := func(extra string) string {
		return file(t, dir, "c.yaml", `receivers:
  otlp/fan: {protocols: {http: {endpoint: 127.0.0.1:%d}}}
  otlp/split: {protocols: {http: {endpoint: 127.0.0.1:%d}}}
processors:
  batch/split: {send_batch_size: %[7]d, send_batch_max_size: %[7]d}
  resource: {attributes: [{key: reloaded, value: "%[8]s", action: upsert}]}
exporters:
  otlp_http/alive: {endpoint: "http://127.0.0.1:%[3]d"}
  otlp_http/dead: {endpoint: "http://127.0.0.1:%[4]d"}
  otlp_http/partly: {endpoint: "http://127.0.0.1:%[5]d"}
extensions:
  health_check: {endpoint: 127.0.0.1:%[6]d}
service:
  shutdown_timeout: 2s
  extensions: [health_check]
  telemetry: {metrics: {address: 127.0.0.1:%[9]d}}
  pipelines:
    logs/fan: {receivers: [otlp/fan], processors: [resource], exporters: [otlp_http/alive, otlp_http/dead]}
    logs/split: {receivers: [otlp/split], processors: [batch/split], exporters: [otlp_http/partly]}
`, p[0], p[1], alive.port, p[2], partly.port, p[3], part, extra, p[4])
	}
	c := run(t, "sluice-collector", "--config", config("before"), "--data-dir", dir).ready(p[3])

	impatient := &http.Client{Timeout: time.Second}
	push := func(port int, source string) {
		res, err := impatient.Post(fmt.Sprintf("http://127.0.0.1:%d/v1/logs", port), "application/x-protobuf", bytes.NewReader(numberedRequest(source, 0, n)))
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				t.Errorf("%s was acknowledged, though a destination did not take all of it", source)
			}
		}
	}
	twice := func(component string) string {
		return "sluice_component_duplicate_items_total{component=" + component + ",pipeline=,signal=logs}"
	}
	fan, split := twice("exporter/otlp_http/alive"), twice("receiver/otlp/split") // the receiver repeats all of a request
	counted := func(wantFan, wantSplit float64) {
		t.Helper()
		var got map[string]float64
		deadline := time.Now().Add(10 * time.Second)
		for {
			got = counters(t, p[4])
			if got[fan] == wantFan && got[split] == wantSplit {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("delivered after a refusal: %v at the fan-out's branch and %v at the split, want %v and %v", got[fan], got[split], wantFan, wantSplit)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	push(p[0], "fan")
	push(p[1], "split")
	counted(n, part)
	if alive.logs.unique("fan") != n || partly.logs.unique("split") != part {
		t.Fatalf("the destinations have %d and %d records, want %d and %d", alive.logs.unique("fan"), partly.logs.unique("split"), n, part)
	}
	before := counters(t, p[4])
	requests := 0
	for series, v := range before {
		if strings.HasPrefix(series, "sluice_exporter_") && v > 0 {
			requests++
		}
	}
	if requests == 0 {
		t.Error("no exporter has counted anything of its own")
	}

	config("after")
	c.signal(syscall.SIGHUP)
	eventually(t, 15*time.Second, "the reload", func() bool { return strings.Contains(c.out.String(), "msg=reloaded") })
	fell := func(before, after map[string]float64) {
		t.Helper()
		for series, v := range before {
			if now, there := after[series]; !there || now < v {
				t.Errorf("%s fell from %v to %v (there: %v)", series, v, now, there)
			}
		}
	}
	after := counters(t, p[4])
	fell(before, after)

	partly.most.Store(partly.requests.Load() + 1)
	push(p[0], "fan")
	push(p[1], "split")
	counted(2*n, 2*part)
	fell(after, counters(t, p[4]))
	if v := unaccounted(t, p[4]); v != 0 {
		t.Errorf("%v items unaccounted for", v)
	}
	c.terminate()
}
