package template

import (
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/sluiceio/sluice/wire"
)

// reports are the synthetic series, as in Prometheus. The last three need extra_scrape_metrics.
var reports = [...]struct{ name, unit, help string }{
	{"up", "targets", "Health of the scrape target. 1 means the target is healthy, 0 if the scrape failed."},
	{"scrape_duration_seconds", "seconds", "Duration of the last scrape in seconds."},
	{"scrape_samples_scraped", "samples", "Number of samples last scraped."},
	{"scrape_samples_post_metric_relabeling", "samples", "Number of samples remaining after metric relabeling was applied."},
	{"scrape_series_added", "series", "Number of series in the last scrape."},
	{"scrape_timeout_seconds", "seconds", "The configured scrape timeout for a target."},
	{"scrape_sample_limit", "samples", "The configured sample limit for a target. Returns zero if there is no limit configured."},
	{"scrape_body_size_bytes", "bytes", "The uncompressed size of the last scrape response, if successful. " +
		"Scrapes failing because body_size_limit is exceeded report -1, other scrape failures report 0."},
}

const reportsBase = 5 // of reports: those written always

// report is the encoded synthetic series: metrics of one point.
type report struct {
	otlp  []byte
	at    [len(reports)]uint32 // of the values in otlp
	count int
}

// newReport encodes the synthetic series. They have only the target's labels, without metric_relabel_configs.
func newReport(t *Template) report {
	r := report{count: reportsBase}
	if t.set.ExtraMetrics {
		r.count = len(reports)
	}
	b := labels.NewBuilder(t.set.Target)
	t.set.addExternal(b)
	for i, m := range reports[:r.count] {
		b.Set(labels.MetricName, m.name)
		attrs := t.appendAttrs(nil, b.Labels())
		var outer, inner int
		r.otlp, outer = wire.BeginMessage(r.otlp, wire.FieldScopeXItem)
		r.otlp = appendMetricHead(r.otlp, metricID{name: m.name, code: typeGauge}, family{help: m.help, unit: m.unit})
		r.otlp, inner = wire.BeginMessage(r.otlp, wire.FieldMetricGauge)
		r.otlp = appendPoint(r.otlp, attrs, parked{}, 0)
		r.otlp = wire.EndMessage(r.otlp, inner)
		r.otlp = wire.EndMessage(r.otlp, outer)
		r.at[i] = uint32(len(r.otlp) - 2 - 8)
	}
	return r
}

func (w *walk) reportOf(in Input) [len(reports)]float64 {
	t, up, size := w.t, 1.0, float64(in.BodySize)
	if w.res.Err != nil {
		up = 0
	}
	seconds := 0.0
	if in.Elapsed != nil {
		seconds = in.Elapsed().Seconds()
	}
	return [...]float64{
		up, seconds, float64(w.res.Scraped), float64(w.res.Kept), float64(w.res.Added),
		t.set.Timeout.Seconds(), float64(t.set.SampleLimit), size,
	}
}

func (r *report) append(dst []byte, now uint64, values [len(reports)]float64) []byte {
	for i := range r.at[:r.count] {
		r.set(i, math.Float64bits(values[i]), now, 0)
	}
	return append(dst, r.otlp...)
}

func (r *report) appendStale(dst []byte, now uint64) []byte {
	for i := range r.at[:r.count] {
		r.set(i, value.StaleNaN, now, wire.FlagNoRecordedValue)
	}
	return append(dst, r.otlp...)
}

func (r *report) set(i int, bits, now uint64, flags byte) {
	put64(r.otlp, r.at[i], bits)
	put64(r.otlp, r.at[i]-timeBefore, now)
	r.otlp[r.at[i]+9] = flags
}
