package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/engine"
	"github.com/sluiceio/sluice/receivers/otlp"
	"github.com/sluiceio/sluice/wire"
)

// rig is a graph that runs between injectors and recorders.
type rig struct {
	*engine.Trial
	cfg       *pipeline.Config
	receivers map[string]*injector
	exporters map[string]*recorder
}

// version is that of every build, so that cases outlive releases.
const version = "test"

func newRig(ctx context.Context, cfg *pipeline.Config, s engine.TrialSettings) (*rig, error) {
	r := &rig{receivers: map[string]*injector{}, exporters: map[string]*recorder{}}
	own := *cfg
	own.Instances = slices.Clone(cfg.Instances)
	for i := range own.Instances {
		r.replace(&own.Instances[i])
	}
	r.cfg, s.Version = &own, version
	var err error
	r.Trial, err = engine.Try(ctx, r.cfg, s)
	return r, err
}

// replace puts an injector or a recorder in place of a receiver or exporter.
func (r *rig) replace(in *pipeline.Instance) {
	of, id := in.Component, in.ID.String()
	switch of.Kind {
	case pipeline.KindReceiver:
		in.Component = pipeline.ReceiverOf(of.Type, of.Default, func(s pipeline.Settings, c any, out pipeline.Outputs) (any, error) {
			i := &injector{component: of, settings: s, config: c, out: out}
			r.receivers[id] = i
			return i, nil
		}, of.Signals...)
	case pipeline.KindExporter:
		in.Component = pipeline.ExporterOf(of.Type, of.Default, func(s pipeline.Settings, _ any) (pipeline.Sink, error) {
			e := &recorder{settings: s, got: map[pipeline.Signal]wire.Request{}}
			r.exporters[id] = e
			return e, nil
		}, of.Signals...)
	}
}

// injector stands for a receiver.
type injector struct {
	component pipeline.Component
	settings  pipeline.Settings
	config    any
	out       pipeline.Outputs
	player    pipeline.Player // once something was played
}

// play hands on what the receiver makes of a text.
func (i *injector) play(ctx context.Context, in pipeline.Played) error {
	if i.player == nil {
		var err error
		i.player, err = i.component.NewPlayer(i.settings, i.config, i.out)
		if errors.Is(err, pipeline.ErrNoPlayer) {
			return fmt.Errorf("receiver %s reads no text; give it OTLP/JSON in a part in/%[1]s.json", i.settings.ID)
		}
		if err != nil {
			return err
		}
	}
	return i.player.Play(ctx, in)
}

func (i *injector) inject(ctx context.Context, b pipeline.Batch) error {
	next := i.out.For(b.Signal)
	if next == nil {
		return fmt.Errorf("no pipeline takes %s from receiver %s", b.Signal, i.settings.ID)
	}
	return next.Consume(ctx, b)
}

// recorder stands for an exporter. It takes everything.
type recorder struct {
	settings pipeline.Settings
	mu       sync.Mutex
	got      map[pipeline.Signal]wire.Request // requests one after the other are one request
}

func (e *recorder) Consume(_ context.Context, b pipeline.Batch) error {
	e.mu.Lock()
	e.got[b.Signal] = append(e.got[b.Signal], b.Request...)
	e.mu.Unlock()
	e.settings.Delivered(b.Signal, b.Items, len(b.Request))
	return nil
}

// document is one OTLP/JSON document of a text.
type document struct {
	signal  pipeline.Signal
	text    []byte
	line    int                 // within the text, from 0
	headers map[string][]string // of the request, by name in lower case
}

var rootKeys = map[string]pipeline.Signal{"resourceMetrics": pipeline.Metrics, "resourceLogs": pipeline.Logs, "resourceSpans": pipeline.Traces}

// lineError is an error in a line of a text, counted from 0.
type lineError struct {
	line int
	err  error
}

func (e lineError) Error() string { return e.err.Error() }
func (e lineError) Unwrap() error { return e.err }

// headersLine begins a line with the headers of the requests behind it.
const headersLine = "# headers "

// documents splits a text of OTLP/JSON documents, one after the other, with lines of headers between them.
func documents(text []byte) (out []document, err error) {
	var headers map[string][]string
	from, line := 0, 0 // where the part without such lines begins
	add := func(to int) error {
		docs, err := plainDocuments(text[from:to])
		for _, d := range docs {
			d.line, d.headers = d.line+line, headers
			out = append(out, d)
		}
		if at := (lineError{}); errors.As(err, &at) {
			return lineError{at.line + line, at.err}
		}
		return err
	}
	at, n := 0, 0
	for l := range bytes.Lines(text) {
		if rest, is := bytes.CutPrefix(l, []byte(headersLine)); is {
			if err := add(at); err != nil {
				return nil, err
			}
			if headers, err = readHeaders(rest); err != nil {
				return nil, lineError{n, err}
			}
			from, line = at+len(l), n+1
		}
		at, n = at+len(l), n+1
	}
	return out, add(len(text))
}

// readHeaders reads {NAME: VALUE}, or a list of values.
func readHeaders(text []byte) (map[string][]string, error) {
	out := map[string][]string{}
	var all map[string]any
	if err := yaml.Unmarshal(text, &all); err != nil || len(all) == 0 {
		return nil, errors.New(`these are no headers; write # headers {X-Tenant: acme}`)
	}
	for name, v := range all {
		values, is := v.([]any)
		if !is {
			values = []any{v}
		}
		for _, v := range values {
			out[strings.ToLower(name)] = append(out[strings.ToLower(name)], fmt.Sprint(v))
		}
	}
	return out, nil
}

func plainDocuments(text []byte) (out []document, err error) {
	line := func(offset int64) int { return bytes.Count(text[:offset], []byte{'\n'}) }
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		begin := dec.InputOffset()
		begin += int64(len(text[begin:]) - len(bytes.TrimLeft(text[begin:], " \t\r\n")))
		var doc map[string]json.RawMessage
		err := dec.Decode(&doc)
		var syntax *json.SyntaxError
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case errors.As(err, &syntax):
			return nil, lineError{line(min(syntax.Offset, int64(len(text)))), fmt.Errorf("not JSON: %w", err)}
		case err != nil:
			return nil, lineError{line(begin), fmt.Errorf("not OTLP/JSON: %w", err)}
		}
		d := document{text: text[begin:dec.InputOffset()], line: line(begin)}
		for key, signal := range rootKeys {
			if _, has := doc[key]; has {
				d.signal = signal
			}
		}
		if d.signal == 0 {
			return nil, lineError{d.line, errors.New("not OTLP/JSON: write resourceLogs, resourceMetrics or resourceSpans")}
		}
		if at, err := checkNames(d.text); err != nil {
			return nil, lineError{line(begin + at), err}
		}
		out = append(out, d)
	}
}

// batch is the document as a request to a receiver of a configuration; without one it has no headers.
func (d document) batch(cfg *pipeline.Config) (pipeline.Batch, error) {
	request, err := otlp.FromJSON(d.signal, d.text)
	if err != nil {
		return pipeline.Batch{}, lineError{d.line, err}
	}
	b := pipeline.Batch{Signal: d.signal, Request: request, Items: wire.Count(d.signal, request)}
	if cfg != nil && d.headers != nil {
		var fits bool
		if b.Origin.Metadata, fits = cfg.MetadataKeys().Of(func(name string) []string { return d.headers[name] }); !fits {
			return b, lineError{d.line, errors.New("the headers that the configuration asks for are larger than 8 KiB")}
		}
	}
	return b, nil
}

// names lists what a user may write.
func names[V any](m map[string]V) string {
	var list []string
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
