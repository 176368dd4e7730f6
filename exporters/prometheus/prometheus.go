// Package prometheus is the exporter that holds the last value of each series and exposes it to be scraped.
package prometheus

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/collector/component"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire/prom"
)

// Exporter is the component.
type Exporter struct {
	settings pipeline.Settings
	cfg      Config
	srv      *listen.Serving
	buffers  sync.Pool    // *[]byte
	dropped  *slog.Logger // of data points: a line for each reason and minute
	counters counters
	scrapes  listen.Answers
	stop     context.CancelFunc
	sweeper  sync.WaitGroup

	mu         sync.Mutex // guards all below
	translator *prom.Translator
	table      *table
	now        int64
	lost       [4]int // data points of the batch, by outcome
	point      int    // the last one that was counted in lost
}

// New makes the exporter; Start opens the endpoint.
func New(s pipeline.Settings, c *Config) (pipeline.Sink, error) {
	p := prom.DefaultConfig()
	p.PromoteResourceAttributes = nil // the Collector promotes none
	p.PromoteAll = c.ResourceToTelemetry.Enabled && !c.ResourceToTelemetry.ExcludeServiceAttributes
	p.PromoteAllButService = c.ResourceToTelemetry.Enabled && c.ResourceToTelemetry.ExcludeServiceAttributes
	p.AddMetricSuffixes = c.TranslationStrategy.Suffixes(c.AddMetricSuffixes)
	p.ScopeInfo = !c.WithoutScopeInfo
	p.ExternalLabels = c.ConstLabels
	p.CheckHistograms = true
	p.Deltas = true
	namespace, err := c.namespace()
	if err != nil {
		return nil, err
	}
	e := &Exporter{
		settings: s, cfg: *c, dropped: throttle.Logger(s.Log, 1),
		translator: prom.New(p), table: newTable(namespace, c.MaxSeries),
	}
	e.buffers.New = func() any { b := make([]byte, 0, 2*chunk); return &b }
	if err := e.register(); err != nil {
		return nil, err
	}
	return e, nil
}

// Consume holds the samples. nil means that each is exposed until a later one comes, or the series expires.
func (e *Exporter) Consume(ctx context.Context, b pipeline.Batch) error {
	if ctx.Err() != nil {
		return pipeline.Withdrawn(ctx)
	}
	e.mu.Lock()
	e.now, e.lost, e.point = time.Now().Unix(), [4]int{}, -1
	report, err := e.translator.Walk(b.Request, e)
	lost := e.lost
	e.mu.Unlock()
	if err != nil {
		return pipeline.Reject(0, pipeline.DropInvalid, err)
	}
	share := func(points int) int { return int(int64(len(b.Request)) * int64(points) / int64(max(b.Items, 1))) }
	gone := 0
	drop := func(why pipeline.Reason, points int, words, metric string) {
		if points == 0 {
			return
		}
		gone += points
		e.settings.Drop(why, b.Signal, points, share(points))
		e.dropped.Warn("data points were dropped", "reason", words, "metric", metric, "points", points)
	}
	report.EachRefused(func(w prom.Why, points int, metric string) {
		why := pipeline.DropUnsupported
		if w == prom.WhyName || w == prom.WhyLabel || w == prom.WhyHistogram {
			why = pipeline.DropInvalid
		}
		drop(why, points, w.String(), metric)
	})
	drop(pipeline.DropOverflow, lost[overflow], fmt.Sprintf(`there are "max_series", %d, already`, e.cfg.MaxSeries), "")
	drop(pipeline.DropInvalid, lost[conflict], "another metric has the name and another type", "")
	drop(pipeline.DropDuplicate, lost[repeated], "another source has the same series with another value at the same time; "+
		"let labels tell them apart: resource_to_telemetry_conversion, or without_scope_info: false", "")
	e.settings.Delivered(b.Signal, b.Items-gone, len(b.Request)-share(gone))
	return nil
}

// Sample implements prom.Sink.
func (e *Exporter) Sample(s *prom.Sample) error {
	if what := e.table.put(s, e.now); what != kept && s.Point >= 0 && s.Point != e.point {
		e.point = s.Point
		e.lost[what]++
	}
	return nil
}

// Start opens the endpoint.
func (e *Exporter) Start(ctx context.Context) error {
	compress, err := gzhttp.NewWrapper(gzhttp.CompressionLevel(1))
	if err != nil {
		return fmt.Errorf("BUG: the compression of answers: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", e.scrapes.Watch(compress(http.HandlerFunc(e.serve)), e.cfg.WriteTimeout))
	cfg := e.cfg.ServerConfig
	srv, err := cfg.ToServer(ctx, nil, component.TelemetrySettings{
		Logger: zap.NewNop(), TracerProvider: tracenoop.NewTracerProvider(), MeterProvider: metricnoop.NewMeterProvider(),
	}, mux)
	if err != nil {
		return fmt.Errorf("cannot serve: %w", err)
	}
	spec := listen.HTTP{Network: string(cfg.NetAddr.Transport), Address: cfg.NetAddr.Endpoint, Server: srv, Terms: cfg.TLS}
	if cfg.TLS.HasValue() {
		if spec.TLS, err = cfg.TLS.Get().LoadTLSConfig(ctx); err != nil {
			return fmt.Errorf("cannot load the TLS configuration: %w", err)
		}
	}
	if e.srv, err = e.settings.Serve(ctx, spec); err != nil {
		return err
	}
	if left, is := e.settings.Inherit(exposed).(estate); is && left.names.same(e.cfg) {
		e.mu.Lock()
		if e.table.live == 0 {
			left.table.max = e.cfg.MaxSeries
			e.table = left.table
		}
		e.mu.Unlock()
	}
	e.settings.Log.Info("exposing metrics", "address", e.srv.Addr().String(), "path", "/metrics")
	sweep, stop := context.WithCancel(context.Background())
	e.stop = stop
	e.sweeper.Go(func() { e.sweep(sweep) })
	return nil
}

// Stop ends the endpoint.
func (e *Exporter) Stop(ctx context.Context) error {
	if e.srv != nil {
		e.scrapes.Stop()
		e.srv.Stop(ctx)
		e.stop()
		e.sweeper.Wait()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settings.Leave(exposed, estate{namesOf(e.cfg), e.table})
	return nil
}

// exposed is what a reload hands over: the series, unless their names would be others.
const exposed = "exposed series"

type estate struct {
	names names
	table *table
}

// names are the keys that names and labels depend on.
type names struct {
	namespace string
	labels    map[string]string
	resource  ResourceToTelemetry
	suffixes  bool
}

func namesOf(c Config) names {
	return names{c.Namespace, c.ConstLabels, c.ResourceToTelemetry, c.TranslationStrategy.Suffixes(c.AddMetricSuffixes)}
}

func (n names) same(c Config) bool { return reflect.DeepEqual(n, namesOf(c)) }

// sweep removes expired series.
func (e *Exporter) sweep(ctx context.Context) {
	tick := time.NewTicker(max(min(e.cfg.MetricExpiration/4, 30*time.Second), time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			e.expire()
		}
	}
}

func (e *Exporter) expire() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counters.unscraped.Add(float64(e.table.expire(time.Now().Add(-e.cfg.MetricExpiration).Unix())))
}

// chunk is how much is written at once. The table is locked for a family at a time, so that a scrape of many series does
// not hold up batches.
const (
	chunk = 64 << 10
	keep  = 16 << 20 // the largest buffer that is kept for the next scrape
)

func (e *Exporter) serve(w http.ResponseWriter, r *http.Request) {
	e.expire()
	f := e.format(r.Header)
	w.Header().Set("Content-Type", f.contentType())
	buf := e.buffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= keep {
			e.buffers.Put(buf)
		}
	}()
	out := (*buf)[:0]
	e.mu.Lock()
	names := e.table.sorted()
	e.mu.Unlock()
	for _, name := range names {
		e.mu.Lock()
		if family := e.table.families[name]; family != nil {
			e.table.order(family)
			out = f.family(out, e.table, family)
			for _, i := range family.members {
				e.table.series[i].exposed = true
			}
		}
		e.mu.Unlock()
		if len(out) >= chunk {
			if _, err := w.Write(out); err != nil {
				return // the scraper went away
			}
			out = out[:0]
		}
	}
	out = f.end(out)
	*buf = out[:0]
	if _, err := w.Write(out); err == nil {
		e.counters.scrapes.Inc()
	}
}

func (e *Exporter) format(h http.Header) format {
	negotiate := expfmt.Negotiate
	if e.cfg.EnableOpenMetrics {
		negotiate = expfmt.NegotiateIncludingOpenMetrics
	}
	switch negotiated := negotiate(h); {
	case negotiated.FormatType() == expfmt.TypeOpenMetrics:
		return openMetrics{e.cfg.SendTimestamps}
	case negotiated.FormatType() == expfmt.TypeProtoDelim && strings.Contains(string(negotiated), "delimited"):
		return protobuf{e.cfg.SendTimestamps}
	}
	return textFormat{e.cfg.SendTimestamps}
}
