package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/engine"
	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/otlpjson"
)

// Explained is what a configuration does with one record.
type Explained struct {
	Signal   string          `json:"signal"`
	Title    string          `json:"-"`
	Record   json.RawMessage `json:"record"` // as it came
	Receiver string          `json:"receiver"`
	Path     []*Visit        `json:"path"`            // the pipelines of the receiver
	Reaches  []Reached       `json:"reaches"`         // exporters; empty: none
	Dropped  []string        `json:"dropped"`         // component, pipeline or signal, reason, items
	Error    string          `json:"error,omitempty"` // what the sender is told
}

// Reached is an exporter that got the record, and through which pipeline.
type Reached struct {
	Exporter string `json:"exporter"`
	Pipeline string `json:"pipeline"`
	Items    int    `json:"items"`
}

// A Visit is a record in a pipeline, or in a component of one.
type Visit struct {
	Kind    string   `json:"kind"` // pipeline, processor, connector, exporter
	Name    string   `json:"name"`
	In      string   `json:"pipeline,omitempty"` // of a processor or exporter
	Signal  string   `json:"signal"`
	Items   int      `json:"items"`
	Steps   []Step   `json:"statements,omitempty"`
	Changes []Change `json:"changes,omitempty"` // of a processor without statements
	Fate    string   `json:"fate,omitempty"`    // "dropped: filtered"
	Next    []*Visit `json:"next,omitempty"`

	batch pipeline.Batch
	err   error
}

// A Step is a statement or condition that met the record.
type Step struct {
	Statement string   `json:"statement"`
	Condition bool     `json:"condition,omitempty"`
	Held      bool     `json:"held"` // the condition, or the where of the statement
	Error     string   `json:"error,omitempty"`
	Changes   []Change `json:"changes,omitempty"`
}

// Explain follows each record of a text of OTLP/JSON documents on its own through a configuration. receiver may be empty if
// the configuration leaves no choice.
func Explain(ctx context.Context, cfg *pipeline.Config, receiver string, text []byte) (out []*Explained, err error) {
	docs, err := documents(text)
	for i := 0; i < len(docs) && err == nil; i++ {
		var b pipeline.Batch
		if b, err = docs[i].batch(cfg); err != nil {
			break
		}
		id := receiver
		if id == "" {
			id, err = choose(cfg, b.Signal)
		}
		for n := 0; n < b.Items && err == nil; n++ {
			var e *Explained
			if e, err = explain(ctx, cfg, id, b.Cut(n, n+1)); err == nil {
				out = append(out, e)
			}
		}
	}
	var at lineError
	if errors.As(err, &at) {
		err = fmt.Errorf("line %d: %w", at.line+1, at.err)
	}
	if err == nil && len(out) == 0 {
		err = errors.New("there is no record; write OTLP/JSON to the standard input")
	}
	return out, err
}

// choose is the receiver of a signal: otlp, or the only one.
func choose(cfg *pipeline.Config, signal pipeline.Signal) (string, error) {
	var all []string
	for _, p := range cfg.Pipelines {
		for _, id := range p.Receivers {
			if p.Signal == signal && !slices.Contains(all, id.String()) && isReceiver(cfg, id) {
				all = append(all, id.String())
			}
		}
	}
	switch {
	case slices.Contains(all, "otlp"):
		return "otlp", nil
	case len(all) == 1:
		return all[0], nil
	case len(all) == 0:
		return "", fmt.Errorf("no pipeline takes %s from a receiver", signal)
	}
	return "", fmt.Errorf("several receivers give %s; name one with --receiver: %v", signal, all)
}

func isReceiver(cfg *pipeline.Config, id pipeline.ID) bool {
	return slices.ContainsFunc(cfg.Instances, func(in pipeline.Instance) bool {
		return in.ID == id && in.Component.Kind == pipeline.KindReceiver
	})
}

func explain(ctx context.Context, cfg *pipeline.Config, receiver string, b pipeline.Batch) (*Explained, error) {
	top := &Visit{}
	o := &onlooker{at: top}
	r, err := newRig(ctx, cfg, engine.TrialSettings{Log: slog.New(slog.DiscardHandler), Watch: o.watch, Trace: o.step})
	if err != nil {
		return nil, err
	}
	i := r.receivers[receiver]
	if i == nil {
		return nil, errors.Join(fmt.Errorf("no pipeline has a receiver %s; there is %s", receiver, names(r.receivers)), r.Stop(ctx))
	}
	if i.out.For(b.Signal) == nil {
		return nil, errors.Join(fmt.Errorf("no pipeline takes %s from receiver %s", b.Signal, receiver), r.Stop(ctx))
	}
	answer := i.inject(ctx, b)
	if err := r.Stop(ctx); err != nil {
		return nil, err
	}
	e := &Explained{
		Signal: b.Signal.String(), Receiver: receiver, Path: top.Next, Dropped: drops(r.Ledger()), Reaches: []Reached{},
		Title: records(b.Signal, b.Request, false)[0].title(), Record: otlpjson.Append(nil, b.Signal, b.Request),
	}
	if answer != nil {
		e.Error = answer.Error()
	}
	for _, v := range top.Next {
		e.finish(v, r.Ledger().Read())
	}
	return e, nil
}

// onlooker notes where a record comes. Nothing runs beside it: branches are asked in turn, and there is one batch.
type onlooker struct{ at *Visit }

func (o *onlooker) watch(at engine.At, b pipeline.Batch, on func() error) error {
	v := &Visit{Kind: string(at.Kind), Name: at.ID.String(), In: at.Pipeline.String(), Signal: b.Signal.String(), Items: b.Items, batch: b}
	v.batch.Request = bytes.Clone(b.Request)
	if at.Kind == "" {
		v.Kind, v.Name, v.In = "pipeline", v.In, ""
	}
	if at.Kind == pipeline.KindConnector {
		v.In = ""
	}
	from := o.at
	from.Next = append(from.Next, v)
	o.at = v
	v.err = on()
	o.at = from
	return v.err
}

func (o *onlooker) step(s ottl.Step) {
	step := Step{Statement: s.Text, Condition: s.Condition, Held: s.Held}
	if s.Err != nil {
		step.Error = s.Err.Error()
	}
	if s.Before != nil {
		step.Changes = requestChanges(s.Signal, s.Before, s.After)
	}
	o.at.Steps = append(o.at.Steps, step)
}

// requestChanges compares two requests with one record, or with none but its resource or scope.
func requestChanges(signal pipeline.Signal, from, to wire.Request) []Change {
	before, after := records(signal, from, true), records(signal, to, true)
	if len(before) != 1 || len(after) != 1 {
		return nil
	}
	return changes(before[0], after[0])
}

// finish says what became of the record at each place.
func (e *Explained) finish(v *Visit, accounts []pipeline.Statement) {
	for _, next := range v.Next {
		e.finish(next, accounts)
	}
	failedBelow := slices.ContainsFunc(v.Next, func(n *Visit) bool { return n.err != nil })
	switch {
	case v.err != nil && !failedBelow:
		v.Fate = "not taken: " + v.err.Error()
		if _, rejected := pipeline.AsRejected(v.err); rejected {
			v.Fate = "rejected: " + v.err.Error()
		}
	case v.Kind == string(pipeline.KindExporter):
		e.Reaches = append(e.Reaches, Reached{v.Name, v.In, v.Items})
	case v.err == nil && v.Kind != "pipeline" && len(v.Next) == 0:
		v.Fate = "handed on nothing"
		if why := droppedBy(v, accounts); why != "" {
			v.Fate = "dropped: " + why
		}
	}
	if len(v.Steps) == 0 && v.Kind == string(pipeline.KindProcessor) && len(v.Next) > 0 {
		v.Changes = requestChanges(v.batch.Signal, v.batch.Request, v.Next[0].batch.Request)
	}
}

func droppedBy(v *Visit, accounts []pipeline.Statement) string {
	for _, s := range accounts {
		if s.Component != v.Kind+"/"+v.Name || s.Pipeline != v.In || s.Signal != v.batch.Signal {
			continue
		}
		for why := range s.Dropped {
			return string(why)
		}
	}
	return ""
}
