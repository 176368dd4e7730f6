// Package host is the receiver for the machine's metrics. It uses the node exporter's collectors, so that dashboards and
// alerts work unchanged: node_* with job="node" and the host's name as instance.
//
// A reading is rendered as text and takes the same path as a scrape (wire/template), which adds stale markers and up.
package host

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/source"
	"github.com/sluiceio/sluice/wire/template"
)

const (
	jobName   = "node"
	scopeName = "github.com/sluiceio/sluice/receivers/host"
)

// Receiver reads the machine at an interval.
type Receiver struct {
	settings pipeline.Settings
	cfg      Config
	instance string
	backlog  *source.Backlog

	registry *prometheus.Registry
	metrics
	template *template.Template
	body     []byte // the template's spare buffer
	odd      string // last registry error that was logged
	blind    bool   // no collector returned anything at the last reading

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// New makes the receiver; it reads nothing before Start.
func New(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (any, error) {
	instance := cfg.Instance
	if instance == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf(`cannot find the host name: %w; set "instance"`, err)
		}
		instance = name
	}
	r := &Receiver{settings: s, cfg: *cfg, instance: instance}
	r.register(s.Metrics)
	r.backlog = source.NewBacklog(s, out.For(pipeline.Metrics), pipeline.Metrics, cfg.BacklogBytes)
	r.template = template.New(template.Settings{
		Scope:      scopeName,
		Target:     labels.FromStrings(model.JobLabel, jobName, model.InstanceLabel, instance),
		Validation: model.UTF8Validation,
	})
	return r, nil
}

// Start reads the machine at once and then at every interval.
func (r *Receiver) Start(ctx context.Context) error {
	if !supported {
		r.settings.Log.Warn(notSupported)
		return nil
	}
	if err := r.open(); err != nil {
		return err
	}
	for key, path := range map[string]string{"procfs": r.cfg.Procfs, "sysfs": r.cfg.Sysfs, "rootfs": r.cfg.Rootfs} {
		if _, err := os.Stat(path); err != nil {
			r.settings.Log.Error(key+" cannot be read: mount the node's file system there; until then what reads it fails", "error", err)
		}
	}
	if err := r.backlog.Start(ctx); err != nil {
		return err
	}
	ctx, r.cancel = context.WithCancel(context.Background())
	r.done.Go(func() { r.run(ctx) })
	return nil
}

// Stop delivers what waits until ctx ends. It sends no stale markers: the next process continues the series.
func (r *Receiver) Stop(ctx context.Context) error {
	if r.cancel == nil {
		return nil
	}
	r.cancel()
	r.done.Wait()
	return r.backlog.Stop(ctx)
}

func (r *Receiver) run(ctx context.Context) {
	tick := time.NewTicker(r.cfg.CollectionInterval)
	defer tick.Stop()
	for {
		r.read()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (r *Receiver) read() {
	at := time.Now()
	body, err := r.gather()
	in := template.Input{
		Time: at, Body: body, ContentType: string(expfmt.NewFormat(expfmt.TypeTextPlain)), Err: err,
		BodySize: len(body), Elapsed: func() time.Duration { return time.Since(at) },
	}
	res := r.template.Scrape(in)
	r.body = res.Free
	r.collections.Inc()
	if blind := res.Err != nil; blind != r.blind {
		r.blind = blind
		if blind {
			r.settings.Log.Warn("cannot read the host metrics", "error", res.Err)
		} else {
			r.settings.Log.Info("the host metrics can be read again")
		}
	}
	r.backlog.Put(res.Items, res.Size, r.template.AppendRequest)
}

// gather reports a failed collector in node_scrape_collector_success; the others are unaffected.
func (r *Receiver) gather() ([]byte, error) {
	families, err := r.registry.Gather()
	if err != nil && len(families) == 0 {
		return nil, fmt.Errorf("cannot gather: %w", err)
	}
	if err != nil && err.Error() != r.odd { // such as the same series in two text files
		r.odd = err.Error()
		r.settings.Log.Warn("some host metrics are left out", "error", err)
	}
	b := bytes.NewBuffer(r.body[:0])
	enc := expfmt.NewEncoder(b, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return nil, fmt.Errorf("cannot encode %s: %w", f.GetName(), err)
		}
	}
	return b.Bytes(), nil
}

var (
	_ pipeline.Starter = (*Receiver)(nil)
	_ pipeline.Stopper = (*Receiver)(nil)
)
