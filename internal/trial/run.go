package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config"
	"github.com/sluiceio/sluice/pipeline/config/read"
	"github.com/sluiceio/sluice/pipeline/engine"
	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/otlpjson"
)

// A Runner runs cases, one after the other. It is what they take from the command.
type Runner struct {
	Components []pipeline.Component
	Options    config.Options
	Sources    read.Sources // of cases without a configuration

	loaded map[string]*pipeline.Config // loading takes most of the time, and cases share configurations
}

func (r *Runner) load(ctx context.Context, s read.Sources, env map[string]string) (*pipeline.Config, error) {
	key := fmt.Sprintf("%q %q %q %q", s.Embedded, s.Config, s.Set, env)
	if cfg := r.loaded[key]; cfg != nil {
		return cfg, nil
	}
	cfg, _, err := config.Load(ctx, s, r.Components, r.Options)
	if err == nil {
		if r.loaded == nil {
			r.loaded = map[string]*pipeline.Config{}
		}
		r.loaded[key] = cfg
	}
	return cfg, err
}

// Outcome is what came of a case.
type Outcome struct {
	Differences []string // none: it passed
	Log         string   // what components logged
	Took        time.Duration

	texts map[string][]byte // of each wanted part, as it should be
	stale []string          // the parts that differ
}

// The clock and the name of the machine of a case. Each input comes a quarter of a minute after the one before.
var (
	began = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	step  = 15 * time.Second
)

const host = "localhost"

// Run runs a case. An error is about the case or its configuration.
func (r *Runner) Run(ctx context.Context, c *Case) (*Outcome, error) {
	start := time.Now()
	cfg, err := r.load(ctx, c.sources(r.Sources), c.env)
	if err != nil {
		return nil, err
	}
	var log bytes.Buffer
	g, err := newRig(ctx, cfg, engine.TrialSettings{Log: slog.New(slog.NewTextHandler(&log, nil)), Watch: alone})
	if err != nil {
		return nil, err
	}
	for i, in := range c.inputs {
		if err := c.give(ctx, g, in, began.Add(time.Duration(i)*step)); err != nil {
			return nil, errors.Join(err, g.Stop(ctx))
		}
	}
	if err := g.Stop(ctx); err != nil {
		return nil, err
	}
	out := &Outcome{texts: map[string][]byte{}}
	if err := c.compare(g, out); err != nil {
		return nil, err
	}
	if n := g.Ledger().Unaccounted(); n != 0 {
		out.Differences = append(out.Differences, fmt.Sprintf("%d items are unaccounted for, which is a bug in Sluice", n))
	}
	for i, text := range out.Differences {
		out.Differences[i] = cfg.Redact(text)
	}
	out.Log, out.Took = cfg.Redact(log.String()), time.Since(start)
	return out, nil
}

// alone watches nothing; it makes the order in which branches are asked that of the configuration.
func alone(_ engine.At, _ pipeline.Batch, on func() error) error { return on() }

// give gives an input to its receiver.
func (c *Case) give(ctx context.Context, r *rig, in part, at time.Time) error {
	name, what, plays := strings.Cut(strings.TrimPrefix(in.name, inPrefix), " ")
	if !plays {
		var isJSON bool
		if name, isJSON = strings.CutSuffix(name, jsonSuffix); !isJSON {
			return c.fault(in.line-1, "name the input in/RECEIVER.json for OTLP/JSON, or in/RECEIVER SOURCE for what the receiver reads: a path for tail, a job for prometheus")
		}
	}
	i := r.receivers[name]
	if i == nil {
		return c.fault(in.line-1, "no pipeline has a receiver %s; there is %s", name, names(r.receivers))
	}
	if plays {
		err := i.play(ctx, pipeline.Played{What: strings.TrimSpace(what), Text: in.text, Time: at, Host: host})
		return c.answer(in.line, err)
	}
	docs, err := documents(in.text)
	for _, d := range docs {
		var b pipeline.Batch
		if b, err = d.batch(r.cfg); err != nil {
			break
		}
		if err := c.answer(in.line+d.line, i.inject(ctx, b)); err != nil {
			return err
		}
	}
	return c.within(in, err)
}

// answer is the fault of an input that was not taken. What is rejected is counted, and compared as a drop.
func (c *Case) answer(line int, err error) error {
	if err == nil {
		return nil
	}
	if _, refused := pipeline.AsRefused(err); !refused {
		if _, rejected := pipeline.AsRejected(err); rejected {
			return nil
		}
	}
	return c.fault(line, "%w", err)
}

// within is the fault of a part.
func (c *Case) within(p part, err error) error {
	var at lineError
	if errors.As(err, &at) {
		return c.fault(p.line+at.line, "%w", at.err)
	}
	if err != nil {
		return c.fault(p.line, "%w", err)
	}
	return nil
}

// compare compares what was recorded with the wanted parts.
func (c *Case) compare(r *rig, out *Outcome) error {
	wanted := map[string]part{}
	for _, w := range c.wants {
		wanted[w.name] = w
		if id := exporterOf(w.name); w.name != partDrop && r.exporters[id] == nil {
			return c.fault(w.line-1, "no pipeline has an exporter %s; there is %s", id, names(r.exporters))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.exporters)) {
		e, name := r.exporters[id], wantPrefix+id
		signals := pipeline.Signals[:]
		if w, has := wanted[name+seriesSuffix]; has {
			if err := c.compareSeries(w, e, out); err != nil {
				return err
			}
			signals = []pipeline.Signal{pipeline.Logs, pipeline.Traces}
		}
		if err := c.compareJSON(wanted[name+jsonSuffix], name+jsonSuffix, signals, e, out); err != nil {
			return err
		}
	}
	c.compareDrops(wanted[partDrop], r, out)
	return nil
}

// exporterOf is whose a wanted part is; empty for no exporter's.
func exporterOf(name string) string {
	name = strings.TrimPrefix(name, wantPrefix)
	for _, suffix := range []string{jsonSuffix, seriesSuffix} {
		if id, is := strings.CutSuffix(name, suffix); is {
			return id
		}
	}
	return ""
}

func (c *Case) compareSeries(w part, e *recorder, out *Outcome) error {
	want, err := readSeries(w.text)
	if err != nil {
		return c.within(w, err)
	}
	got := seriesOf(e.got[pipeline.Metrics])
	if lines := reportSeries(want, got); len(lines) > 0 {
		out.differ(c, w, w.name, lines)
		out.stale = append(out.stale, w.name)
		got = append(slices.DeleteFunc(got, addedByScrapes), "")
		out.texts[w.name] = []byte(strings.Join(got, "\n"))
	}
	return nil
}

func (c *Case) compareJSON(w part, name string, signals []pipeline.Signal, e *recorder, out *Outcome) error {
	docs, err := documents(standIns(w.text))
	if err != nil {
		return c.within(w, err)
	}
	want := map[pipeline.Signal][]recordOf{}
	for _, d := range docs {
		b, err := d.batch(nil)
		if err != nil {
			return c.within(w, err)
		}
		if !slices.Contains(signals, d.signal) {
			return c.fault(w.line+d.line, "the metrics of this exporter are wanted in a part %s, too; take one out", seriesSuffix)
		}
		want[d.signal] = append(want[d.signal], records(d.signal, b.Request, false)...)
	}
	differs := false
	for _, signal := range signals {
		lines := report(want[signal], records(signal, e.got[signal], false))
		if len(lines) > 0 {
			out.differ(c, w, name+": "+signal.String(), lines)
			differs = true
		}
	}
	if differs {
		out.stale = append(out.stale, name)
		out.texts[name] = e.text(signals)
	}
	return nil
}

// text is what was recorded, for a wanted part.
func (e *recorder) text(signals []pipeline.Signal) (out []byte) {
	for _, signal := range signals {
		if request := e.got[signal]; wire.Count(signal, request) > 0 {
			out = append(layout(otlpjson.Append(nil, signal, request)), out...)
		}
	}
	return out
}

// differ adds differences, with the line where the part begins.
func (o *Outcome) differ(c *Case, w part, what string, lines []string) {
	place := c.File
	if w.line > 0 {
		place = fmt.Sprintf("%s:%d", c.File, w.line)
	}
	o.Differences = append(o.Differences, fmt.Sprintf("%s: %s\n    %s", place, what, strings.Join(lines, "\n    ")))
}

func (c *Case) compareDrops(w part, r *rig, out *Outcome) {
	var want, got []string
	for line := range strings.Lines(string(w.text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			want = append(want, strings.Join(strings.Fields(line), " "))
		}
	}
	got = drops(r.Ledger())
	var lines []string
	for _, line := range want {
		if !slices.Contains(got, line) {
			lines = append(lines, "want "+line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			lines = append(lines, "got  "+line)
		}
	}
	if len(lines) > 0 {
		out.differ(c, w, partDrop, lines)
		out.stale = append(out.stale, partDrop)
		out.texts[partDrop] = []byte(strings.Join(append(got, ""), "\n"))
	}
}

// drops lists what was dropped: component, pipeline (else signal), reason, items.
func drops(l pipeline.Reader) []string {
	out := []string{}
	for _, s := range l.Read() {
		where := s.Pipeline
		if where == "" {
			where = s.Signal.String()
		}
		for reason, n := range s.Dropped {
			if n.Items > 0 {
				out = append(out, fmt.Sprintf("%s %s %s %d", s.Component, where, reason, n.Items))
			}
		}
	}
	slices.Sort(out)
	return out
}

// Update writes the wanted parts that differ into the file. What differs in the outcome of another run, such as times of the clock,
// may be anything.
func (c *Case) Update(o, again *Outcome) error {
	if len(o.stale) == 0 {
		return errors.New(strings.Join(o.Differences, "\n")) // not of a part
	}
	for _, name := range o.stale {
		text := o.texts[name]
		if strings.HasSuffix(name, jsonSuffix) {
			text = steady(text, again.texts[name])
		}
		at := slices.IndexFunc(c.text.Files, func(f txtar.File) bool { return f.Name == name })
		switch {
		case len(text) == 0 && at >= 0:
			c.text.Files = slices.Delete(c.text.Files, at, at+1)
		case at >= 0:
			c.text.Files[at].Data = text
		case len(text) > 0:
			c.text.Files = append(c.text.Files, txtar.File{Name: name, Data: text})
		}
	}
	info, err := os.Stat(c.File)
	if err != nil {
		return err
	}
	return os.WriteFile(c.File, txtar.Format(c.text), info.Mode())
}
