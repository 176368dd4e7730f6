package scrape

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/internal/throttle"
)

// manager returns Prometheus' discovery manager, or nil if all targets are static: it would wake up ten times a second.
func (r *Receiver) manager() (*discovery.Manager, error) {
	configs := map[string]discovery.Configs{}
	for name, j := range r.jobs {
		for _, c := range j.cfg.ServiceDiscoveryConfigs {
			if _, static := c.(discovery.StaticConfig); !static {
				configs[name] = j.cfg.ServiceDiscoveryConfigs
			}
		}
	}
	if len(configs) == 0 {
		return nil, nil
	}
	// Two receivers would clash, as Prometheus' discovery metrics lack the component's name: keep them in an unused
	// registry.
	reg := prometheus.NewRegistry()
	sd, err := discovery.CreateAndRegisterSDMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("cannot start service discovery: %w", err)
	}
	m := discovery.NewManager(r.ctx, throttledLog(r.settings.Log), reg, sd, discovery.Name("scrape"), discovery.Updatert(r.gather))
	if m == nil {
		return nil, errors.New("cannot start service discovery: see the log")
	}
	if err := m.ApplyConfig(configs); err != nil {
		return nil, fmt.Errorf("cannot start service discovery: %w", err)
	}
	return m, nil
}

func (r *Receiver) discoveries() (all []discovery.Configs) {
	for _, j := range r.jobs {
		all = append(all, j.cfg.ServiceDiscoveryConfigs)
	}
	return all
}

// discover scrapes static targets at once, because the manager waits (gather) before its first update.
func (r *Receiver) discover(m *discovery.Manager) {
	for _, j := range r.jobs {
		var static []*targetgroup.Group
		for _, c := range j.cfg.ServiceDiscoveryConfigs {
			if s, ok := c.(discovery.StaticConfig); ok {
				static = append(static, s...)
			}
		}
		if len(static) > 0 && len(j.held) == 0 { // else they are among what was adopted
			j.sync(static)
		}
	}
	if m == nil {
		return
	}
	r.loops.Go(func() { _ = m.Run() }) // its error only reports the end of ctx
	r.loops.Go(func() {
		review := time.NewTicker(heldEvery)
		defer review.Stop()
		for {
			select {
			case <-r.ctx.Done():
				return
			case <-review.C:
				for _, j := range r.jobs {
					j.review()
				}
			case groups := <-m.SyncCh():
				for name, g := range groups {
					if j := r.jobs[name]; j != nil {
						j.sync(g)
					}
				}
			}
		}
	})
}

// throttledLog throttles repeated warnings of service discovery: file_sd logs a broken file at every event in its folder,
// 22,000 lines/s if our own log is written there.
func throttledLog(log *slog.Logger) *slog.Logger {
	return slog.New(throttled{Handler: log.Handler(), lines: &lines{}})
}

type throttled struct {
	slog.Handler
	lines  *lines
	prefix string // attributes and groups added by With
}

func (s throttled) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		key := r.Level.String() + s.prefix + " " + r.Message
		var line strings.Builder
		line.WriteString(key)
		r.Attrs(func(a slog.Attr) bool {
			line.WriteString(" " + a.String())
			return true
		})
		skipped, due := s.lines.of(line.String(), key).Now()
		if !due {
			return nil
		}
		if skipped > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("suppressed", skipped))
		}
	}
	return s.Handler.Handle(ctx, r)
}

func (s throttled) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		s.prefix += " " + a.String()
	}
	s.Handler = s.Handler.WithAttrs(attrs)
	return s
}

func (s throttled) WithGroup(name string) slog.Handler {
	s.prefix += " " + name
	s.Handler = s.Handler.WithGroup(name)
	return s
}

const (
	// linesMax limits the remembered lines; above it, lines with the same message count as one.
	linesMax = 256
	// linesFor must exceed the throttle interval.
	linesFor = time.Minute
)

type lines struct {
	mu    sync.Mutex
	since time.Time
	known map[string]*throttle.Line
}

func (l *lines) of(line, message string) *throttle.Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.known == nil || len(l.known) >= linesMax && now.Sub(l.since) >= linesFor {
		l.since, l.known = now, map[string]*throttle.Line{}
	}
	if l.known[line] == nil && len(l.known) >= linesMax {
		line = message
	}
	if l.known[line] == nil {
		l.known[line] = &throttle.Line{}
	}
	return l.known[line]
}

// While a file of file_sd cannot be read, its last targets are scraped. Prometheus' discovery forgets them in a reload, so
// each job leaves its groups, and its successor with the same discovery holds those of broken files.

// heldEvery is how often held files are looked at: discovery is silent about the removal of a file that it never read.
const heldEvery = 5 * time.Second

// found is what discovery found for a job.
type found struct {
	by     discovery.Configs
	groups []*targetgroup.Group
}

func (r *Receiver) leaveGroups() map[string]found {
	all := map[string]found{}
	for name, j := range r.jobs {
		all[name] = found{j.cfg.ServiceDiscoveryConfigs, j.groups}
	}
	return all
}

// adoptGroups makes a job with a broken file begin with all groups of its predecessor; discovery then replaces those of
// the other files.
func (r *Receiver) adoptGroups(all map[string]found) {
	for name, j := range r.jobs {
		was := all[name]
		if !reflect.DeepEqual(was.by, j.cfg.ServiceDiscoveryConfigs) {
			continue
		}
		for _, g := range was.groups {
			if path, is := fileOf(g); is && isUnreadable(path) {
				j.held = append(j.held, g)
			}
		}
		if len(j.held) > 0 {
			r.settings.Log.Warn("a file of targets cannot be read; its targets of before the reload are kept until it can", "job", name)
			j.replace(was.groups)
		}
	}
}

// withHeld adds the held groups whose files are still broken, and lets go of the others.
func (j *job) withHeld(groups []*targetgroup.Group) []*targetgroup.Group {
	var still []*targetgroup.Group
	for _, g := range j.held {
		if path, _ := fileOf(g); isUnreadable(path) {
			still = append(still, g)
		}
	}
	j.held = still
	return append(append([]*targetgroup.Group(nil), groups...), still...)
}

// review drops the targets of held files that were removed or are empty.
func (j *job) review() {
	if n := len(j.held); n == 0 {
		return
	}
	j.sync(j.reported)
}

// fileOf returns the file of a group: file_sd names it in the source, as path:index.
func fileOf(g *targetgroup.Group) (path string, is bool) {
	i := strings.LastIndexByte(g.Source, ':')
	if i < 0 {
		return "", false
	}
	path = g.Source[:i]
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json", ".yml", ".yaml":
		return path, true
	}
	return "", false
}

// isUnreadable reports whether the file exists but file_sd cannot read it.
func isUnreadable(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	var groups []*targetgroup.Group
	if strings.EqualFold(filepath.Ext(path), ".json") {
		err = json.Unmarshal(text, &groups)
	} else {
		d := yaml.NewDecoder(bytes.NewReader(text))
		d.KnownFields(true)
		if err = d.Decode(&groups); errors.Is(err, io.EOF) {
			err = nil // empty
		}
	}
	for _, g := range groups {
		if g == nil {
			return true
		}
	}
	return err != nil
}
