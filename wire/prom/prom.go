// Package prom turns OTLP metric requests into Prometheus series without decoding them: what a resource, a scope, a
// metric and a point say about a series is worked out once, kept under the bytes that said it, and found again by
// these bytes. The embedded store and the remote-write exporter are its users.
//
// Two kinds of metric come out (the rules are in README.md): one that our own scraper read carries the metadata
// attribute prometheus.type and leaves as it was exposed; every other is translated as Prometheus' own OTLP endpoint
// does it.
package prom

import (
	"maps"
	"math"
	"slices"

	"github.com/prometheus/otlptranslator"
	"github.com/sluiceio/sluice/wire"
)

// TypeKey is the metadata attribute of a metric that came from a Prometheus exposition. Its value is the type of the
// exposition: counter, gauge, histogram, summary, unknown, info, stateset or gaugehistogram.
const TypeKey = "prometheus.type"

// Config says how metrics are translated. Metrics with TypeKey only heed ExternalLabels and CacheBytes.
type Config struct {
	// PromoteResourceAttributes names the resource attributes that become labels of every series of the resource.
	PromoteResourceAttributes []string
	// PromoteAll makes labels of all resource attributes; PromoteAllButService leaves those out that job and instance are made of.
	PromoteAll, PromoteAllButService bool
	// AddMetricSuffixes adds the unit and, to counters, _total to names.
	AddMetricSuffixes bool
	// TargetInfo writes one target_info series a resource, which holds the attributes that are not promoted.
	TargetInfo bool
	// ExternalLabels are added to every series that has no label of that name.
	ExternalLabels map[string]string
	// CacheBytes bounds the memory of the cache; 0 is DefaultCacheBytes. Below 0 nothing is kept: the slow path that
	// the cache is tested against.
	CacheBytes int
}

// DefaultCacheBytes holds some 45,000 series that keep coming: 340 bytes each, and half of it is for those that are
// about to be forgotten.
const DefaultCacheBytes = 32 << 20

// DefaultConfig is Prometheus' UnderscoreEscapingWithSuffixes with the promoted attributes that our dashboards use.
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

// A Sample is one value of one series. It and all it refers to is valid until Sink.Sample returns.
type Sample struct {
	Labels Labels
	// Slot is 8 bytes that belong to the sink: they stay with the series as long as the cache knows it, and are 0
	// when it is new to the cache (which may happen again: the cache is bounded). One series may have several slots.
	Slot   *uint64
	Family *Family
	Point  int   // ordinal of the data point within the request; samples of one point are consecutive; -1: target_info
	Time   int64 // ms since 1970
	Start  int64 // when the series began to count, ms since 1970; 0 if not known
	Value  float64
	Stale  bool // Value (or Histogram.Sum) is StaleNaN: the series has ended
	// Histogram is set for a native histogram; Value is then 0.
	Histogram *Histogram
	Exemplars []Exemplar // ordered as sent
}

// A Family is what is known of all series of a metric. It lives as long as the translator remembers the metric, and
// the pointer is its identity.
type Family struct {
	Name string // of the metric family: without _bucket, _sum, _count
	Type string // as in an exposition: counter, gauge, histogram, summary, unknown, info, stateset, gaugehistogram
	Help string
	Unit string
	Slot uint64 // the sink's, like Sample.Slot
}

// An Exemplar is a sample that stands for others.
type Exemplar struct {
	Labels Labels // without a metric name
	Value  float64
	Time   int64 // ms since 1970
}

// Sink takes the samples of a request in order. An error ends the walk.
type Sink interface {
	Sample(s *Sample) error
}

// A Refuser is a Sink that wants to know which points became no samples; in order, like Sample. The metric's name is valid
// until it returns.
type Refuser interface {
	Refused(point int, w Why, metric string)
}

// SinkFunc makes a function a Sink.
type SinkFunc func(s *Sample) error

// Sample calls f.
func (f SinkFunc) Sample(s *Sample) error { return f(s) }

// StaleNaN returns the value by which Prometheus says that a series has ended.
func StaleNaN() float64 { return math.Float64frombits(staleBits) }

// IsStaleNaN reports whether v is that value; there is no other way to see it, since NaN equals nothing.
func IsStaleNaN(v float64) bool { return math.Float64bits(v) == staleBits }

const staleBits = 0x7ff0000000000002

// A Translator walks requests. It is not safe for use by several goroutines at once.
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

	// Of the walk that runs.
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
		// Both are Prometheus' defaults for its OTLP endpoint.
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

// CacheBytes returns how much memory the cache holds.
func (t *Translator) CacheBytes() int { return t.budget.size() }

// Walk hands the samples of a metrics request to the sink. What cannot be a Prometheus sample is counted in the
// report and does not stop the rest; the error is the sink's own.
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

// nextID returns a new identity.
func (t *Translator) nextID() uint64 {
	t.lastID++
	return t.lastID
}
