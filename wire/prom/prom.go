// Package prom translates OTLP metric requests to Prometheus series without decoding them: what a resource, scope,
// metric or point contributes is derived once and cached by its bytes. Used by the embedded store and the
// remote-write exporter.
//
// Metrics with the metadata attribute prometheus.type, from our own scraper, leave as they were exposed; all others
// are translated as Prometheus' OTLP endpoint does (README.md).
package prom

import (
	"maps"
	"math"
	"slices"

	"github.com/prometheus/otlptranslator"
	"github.com/sluiceio/sluice/wire"
)

// TypeKey is the metadata attribute of metrics from a Prometheus exposition. Its value is the type: counter, gauge,
// histogram, summary, unknown, info, stateset or gaugehistogram.
const TypeKey = "prometheus.type"

// Config configures the translation. For metrics with TypeKey only ExternalLabels and CacheBytes matter.
type Config struct {
	// PromoteResourceAttributes become labels of every series of the resource.
	PromoteResourceAttributes []string
	// PromoteAll promotes all resource attributes; PromoteAllButService all except those of job and instance.
	PromoteAll, PromoteAllButService bool
	// AddMetricSuffixes adds the unit, and _total for counters, to names.
	AddMetricSuffixes bool
	// TargetInfo writes a target_info series per resource, with the attributes that are not promoted.
	TargetInfo bool
	// ScopeInfo adds the labels otel_scope_name, otel_scope_version, otel_scope_schema_url and otel_scope_<attribute>.
	ScopeInfo bool
	// ExternalLabels are added to series that lack them.
	ExternalLabels map[string]string
	// Deltas takes monotonic sums and classic histograms of delta temporality, for a sink that adds them up.
	Deltas bool
	// CheckHistograms refuses classic histograms that contradict themselves.
	CheckHistograms bool
	// CacheBytes bounds the cache; 0 is DefaultCacheBytes, below 0 disables it.
	CacheBytes int
}

// DefaultCacheBytes holds about 45,000 active series: 340 bytes each, and half is for the old generation.
const DefaultCacheBytes = 32 << 20

// DefaultConfig is UnderscoreEscapingWithSuffixes with the promoted attributes that our dashboards use.
func DefaultConfig() Config {
	return Config{
		PromoteResourceAttributes: []string{
			"service.name", "service.namespace", "service.version", "service.instance.id",
			"deployment.environment.name",
			"k8s.cluster.name", "k8s.namespace.name", "k8s.node.name", "k8s.pod.name", "k8s.container.name",
			"k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "k8s.cronjob.name", "k8s.job.name",
		},
		AddMetricSuffixes: true,
		TargetInfo:        true,
	}
}

// A Sample is a value of a series. It is valid until Sink.Sample returns.
type Sample struct {
	Labels Labels
	// Slot is 8 bytes for the sink, kept as long as the series is cached. It is 0 when the series is new to the
	// cache, which may happen again. A series may have several slots.
	Slot   *uint64
	Family *Family
	Point  int   // ordinal of the data point within the request; samples of one point are consecutive; -1: target_info
	Time   int64 // ms since 1970
	Start  int64 // when the series began to count, ms since 1970; 0 if not known
	Value  float64
	Delta  bool // Value is what came to the total since Start; only where the configuration says Deltas
	Stale  bool // Value (or Histogram.Sum) is StaleNaN: the series has ended
	// Histogram is set for a native histogram; Value is then 0.
	Histogram *Histogram
	Exemplars []Exemplar // ordered as sent
}

// A Family is the metadata of a metric. It lives as long as the metric is cached; the pointer is its identity.
type Family struct {
	Name string // of the metric family: without _bucket, _sum, _count
	Type string // as in an exposition: counter, gauge, histogram, summary, unknown, info, stateset, gaugehistogram
	Help string
	Unit string
	Slot uint64 // the sink's, like Sample.Slot
}

// An Exemplar is an exemplar of a sample.
type Exemplar struct {
	Labels Labels // without a metric name
	Value  float64
	Time   int64 // ms since 1970
}

// Sink takes samples in order. An error ends the walk.
type Sink interface {
	Sample(s *Sample) error
}

// A Refuser is a Sink that is also told of points without samples, in order. metric is valid until it returns.
type Refuser interface {
	Refused(point int, w Why, metric string)
}

// SinkFunc is a function as a Sink.
type SinkFunc func(s *Sample) error

// Sample calls f.
func (f SinkFunc) Sample(s *Sample) error { return f(s) }

// StaleNaN returns Prometheus' staleness marker.
func StaleNaN() float64 { return math.Float64frombits(staleBits) }

// IsStaleNaN reports whether v is the staleness marker; == does not work on NaN.
func IsStaleNaN(v float64) bool { return math.Float64bits(v) == staleBits }

const staleBits = 0x7ff0000000000002

// A Translator walks requests. Not safe for concurrent use.
type Translator struct {
	cfg        Config
	promote    map[string]bool
	external   []pair
	infoFamily Family
	metricName otlptranslator.MetricNamer
	labelName  otlptranslator.LabelNamer
	unitName   otlptranslator.UnitNamer

	lost      uint64 // how often target_info may not have arrived
	lastID    uint64 // identities of resources, scopes and metrics; never used twice, so that no entry can go astray
	budget    budget
	resources *cache[*resource]
	scopes    *cache[*scope]
	metrics   *cache[*metric]
	points    *cache[points]

	// Of the current walk.
	sink             Sink
	refuser          Refuser // the sink, if it is one
	report           Report
	at               place
	sample           Sample
	histogram        Histogram
	exemplars        exemplars
	earliest, latest uint64 // of the translated points of a resource, ns
	key, text        []byte // scratch
	set              labelSet
	attributes       []pair
}

// New makes a translator.
func New(c Config) *Translator {
	t := &Translator{
		cfg:        c,
		infoFamily: Family{Name: targetInfo, Type: "gauge", Help: "Target metadata"},
		promote:    make(map[string]bool, len(c.PromoteResourceAttributes)),
		metricName: otlptranslator.MetricNamer{WithMetricSuffixes: c.AddMetricSuffixes},
		// Prometheus' defaults for OTLP.
		labelName: otlptranslator.LabelNamer{UnderscoreLabelSanitization: true, PreserveMultipleUnderscores: true},
	}
	for _, name := range c.PromoteResourceAttributes {
		t.promote[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(c.ExternalLabels)) {
		t.external = append(t.external, pair{name, c.ExternalLabels[name]})
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = DefaultCacheBytes
	}
	t.budget.half = c.CacheBytes / 2
	if c.CacheBytes < 0 {
		t.budget.half = -1
	}
	t.resources = newCache[*resource](&t.budget, nil)
	t.scopes = newCache[*scope](&t.budget, nil)
	t.metrics = newCache[*metric](&t.budget, nil)
	t.points = newCache(&t.budget, movePoints)
	return t
}

// CacheBytes returns the memory held by the cache.
func (t *Translator) CacheBytes() int { return t.budget.size() }

// Walk gives the samples of a request to the sink. Points that cannot be samples are counted in the report; the
// error is the sink's.
func (t *Translator) Walk(r wire.Request, sink Sink) (Report, error) {
	t.sink, t.report = sink, Report{}
	t.refuser, _ = sink.(Refuser)
	defer func() { t.sink, t.refuser = nil, nil }()
	for rs := r.Resources(); rs.Next(); {
		if err := t.walkResource(&rs); err != nil {
			return t.report, err
		}
	}
	return t.report, nil
}

func (t *Translator) nextID() uint64 {
	t.lastID++
	return t.lastID
}
