// Package store is the embedded store: an exporter that keeps metrics, logs and traces on this machine and serves
// Grafana's Prometheus, Loki and Tempo data sources.
//
// It opens the stores of its subpackages, routes batches to them, serves package api, and enforces one disk budget.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/sluiceio/sluice/api/loki"
	"github.com/sluiceio/sluice/api/prometheus"
	"github.com/sluiceio/sluice/api/tempo"
	"github.com/sluiceio/sluice/console"
	"github.com/sluiceio/sluice/dashboards/rules"
	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/internal/statefile"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/logs"
	"github.com/sluiceio/sluice/store/metrics"
	"github.com/sluiceio/sluice/store/traces"
)

type part interface {
	Append(ctx context.Context, b pipeline.Batch) error
	DiskBytes() int64
	DropOldest(ctx context.Context) (freedThrough time.Time, err error)
	Oldest() (time.Time, bool)
	// Folders must exist while the part is open.
	Folders() []string
	// Ready returns why nothing is stored and what to do about it.
	Ready() error
	Close() error
}

// Exporter is the embedded store.
type Exporter struct {
	settings pipeline.Settings
	cfg      Config
	dir      string
	lock     io.Closer
	srv      *listen.Serving
	answers  listen.Answers

	parts   map[pipeline.Signal]part
	folders map[pipeline.Signal]string
	written map[pipeline.Signal]string // the folder that a batch is written to first
	apis    map[string]http.Handler    // by path
	disk    *disk
}

// New makes the exporter; Start opens the files.
func New(s pipeline.Settings, cfg *Config) (pipeline.Sink, error) {
	e := &Exporter{settings: s, cfg: *cfg, dir: cfg.Directory, parts: map[pipeline.Signal]part{}, apis: map[string]http.Handler{}}
	if e.dir == "" {
		e.dir = s.DataDir
	}
	e.folders = map[pipeline.Signal]string{
		pipeline.Metrics: filepath.Join(e.dir, "metrics"), pipeline.Logs: filepath.Join(e.dir, "logs"), pipeline.Traces: filepath.Join(e.dir, "traces"),
	}
	e.written = map[pipeline.Signal]string{
		pipeline.Metrics: filepath.Join(e.folders[pipeline.Metrics], "wal"), pipeline.Logs: filepath.Join(e.folders[pipeline.Logs], "wal"),
		pipeline.Traces: e.folders[pipeline.Traces],
	}
	return e, nil
}

// Start opens the stores, replays their logs, and serves.
func (e *Exporter) Start(ctx context.Context) error {
	if err := e.open(); err != nil {
		return errors.Join(err, e.close())
	}
	d, err := newDisk(e.settings, e.cfg, e.dir, e.parts)
	if err != nil {
		return errors.Join(err, e.close())
	}
	e.disk = d
	e.disk.start()
	if err := e.serve(ctx); err != nil && !errors.Is(err, listen.ErrLeftOut) {
		return errors.Join(err, e.close())
	}
	return nil
}

func (e *Exporter) open() error {
	if e.dir == "" {
		return errors.New(`"directory" is empty and the process has no data directory; write one`)
	}
	owner, err := statefile.Own(filepath.Join(e.dir, "store"))
	if err != nil {
		return err
	}
	e.lock = owner
	for _, open := range []func() error{e.openMetrics, e.openLogs, e.openTraces} {
		if err := open(); err != nil {
			return err
		}
	}
	return nil
}

func (e *Exporter) openMetrics() error {
	dir, o := e.folders[pipeline.Metrics], metrics.DefaultOptions()
	o.Retention, o.MaxSeries, o.RuleFiles = time.Duration(e.cfg.Retention), e.cfg.MaxSeries, e.cfg.RuleFiles
	if e.cfg.ShippedRules {
		o.RulesFS = rules.Files()
	}
	m, err := metrics.Open(e.settings, dir, o)
	if err != nil {
		return err
	}
	e.parts[pipeline.Metrics] = m
	e.apis["/api/v1/"] = prometheus.New(e.settings, m, prometheus.Status{
		Dir: dir, Retention: o.Retention, Lookback: metrics.Lookback, EvaluationInterval: o.EvaluationInterval,
		RuleFiles: o.RuleFiles, Scrapers: e.scrapers,
	})
	return nil
}

func (e *Exporter) scrapers() (out []prometheus.Scraper) {
	for _, c := range e.settings.View.Components() {
		if s, is := c.(prometheus.Scraper); is {
			out = append(out, s)
		}
	}
	return out
}

func (e *Exporter) openLogs() (err error) {
	l, err := logs.Open(e.settings, e.folders[pipeline.Logs], logs.Options{
		Retention: time.Duration(e.cfg.Retention), MemoryBytes: int64(e.cfg.LogsMemory),
	})
	if err != nil {
		return err
	}
	e.parts[pipeline.Logs] = l
	e.apis["/loki/"], err = loki.New(e.settings, l)
	return err
}

func (e *Exporter) openTraces() error {
	t, err := traces.Open(e.settings, e.folders[pipeline.Traces], traces.Options{
		Retention: time.Duration(e.cfg.Retention), MemoryBytes: int64(e.cfg.TracesMemory),
	})
	if err != nil {
		return err
	}
	e.parts[pipeline.Traces] = t
	e.apis["/tempo/"] = tempo.New(e.settings, t)
	return nil
}

// compressionLevel: higher ones gain little on JSON.
const compressionLevel = 2

func (e *Exporter) serve(ctx context.Context) error {
	mux := http.NewServeMux()
	for path, api := range e.apis {
		mux.Handle(path, api)
	}
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("Sluice is healthy.\n")) })
	mux.HandleFunc("GET /-/ready", e.serveReady)
	mux.Handle("/", console.New(console.Source{View: e.settings.View, Version: e.settings.Version, Stores: e.report, Ready: e.Ready}))
	compress, err := gzhttp.NewWrapper(gzhttp.CompressionLevel(compressionLevel))
	if err != nil {
		return fmt.Errorf("BUG: the compression of answers: %w", err)
	}
	srv, err := e.settings.Serve(ctx, listen.HTTP{
		Network: "tcp", Address: e.cfg.Endpoint,
		Server: &http.Server{Handler: e.answers.Watch(compress(mux), 0), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute},
	})
	if err != nil {
		return err
	}
	e.srv = srv
	e.settings.Log.Info("store listening; open it in a browser", "address", "http://"+srv.Addr().String(), "directory", e.dir)
	return nil
}

func (e *Exporter) report() []console.Store {
	var out []console.Store
	for _, sig := range pipeline.Signals {
		s := console.Store{Signal: sig.String(), Bytes: e.parts[sig].DiskBytes()}
		if t, ok := e.parts[sig].Oldest(); ok {
			s.Oldest = t
		}
		out = append(out, s)
	}
	return out
}

// Consume stores the batch. After nil it survives a crash.
func (e *Exporter) Consume(ctx context.Context, b pipeline.Batch) error {
	if err := e.disk.check(e.written[b.Signal]); err != nil {
		return pipeline.Refuse(retryWhenFull, err)
	}
	return e.parts[b.Signal].Append(ctx, b)
}

// Ready returns why nothing can be stored.
func (e *Exporter) Ready() error {
	errs := []error{e.disk.ready()}
	for _, sig := range pipeline.Signals {
		errs = append(errs, e.parts[sig].Ready())
	}
	return errors.Join(errs...)
}

func (e *Exporter) serveReady(w http.ResponseWriter, _ *http.Request) {
	if err := e.Ready(); err != nil {
		http.Error(w, "Sluice is not ready: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Write([]byte("Sluice is ready.\n"))
}

// Stop waits for queries before it closes the stores.
func (e *Exporter) Stop(ctx context.Context) error {
	if e.srv != nil {
		e.answers.Stop()
		e.srv.Stop(ctx)
	}
	return e.close()
}

func (e *Exporter) close() error {
	var errs []error
	if e.disk != nil {
		e.disk.stop()
	}
	for _, sig := range pipeline.Signals {
		if p := e.parts[sig]; p != nil {
			err := p.Close()
			if e.disk != nil && e.disk.gone.Load() != nil && errors.Is(err, fs.ErrNotExist) {
				err = nil // already logged
			}
			errs = append(errs, err)
		}
	}
	if e.lock != nil {
		errs = append(errs, e.lock.Close())
		e.lock = nil
	}
	return errors.Join(errs...)
}

var (
	_ pipeline.Sink    = (*Exporter)(nil)
	_ pipeline.Starter = (*Exporter)(nil)
	_ pipeline.Stopper = (*Exporter)(nil)
	_ pipeline.Readier = (*Exporter)(nil)
)
