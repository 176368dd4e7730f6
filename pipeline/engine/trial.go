package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
)

// A Trial is the graph of a configuration without the process around it: no port, no memory limit, no data directory. The
// caller has put receivers and exporters without a network into the configuration.
type Trial struct {
	graph  *graph
	ledger *ledger.Ledger
}

// TrialSettings are what a Trial needs, and who looks on.
type TrialSettings struct {
	Log     *slog.Logger
	Version string
	Watch   Watch           // nil: nobody watches
	Trace   func(ottl.Step) // told of each statement that meets a record; nil: nobody
}

// At is a place in a graph: a component of a pipeline, a connector, or a pipeline as a whole, which has no Kind.
type At struct {
	Kind     pipeline.Kind
	ID       pipeline.ID
	Pipeline pipeline.ID // not of a connector
}

// Watch is called with each batch that comes to a place. It calls on, which hands the batch on and returns the answer, and
// returns that. Under a Watch a fan-out asks one branch after the other, in the order of the configuration.
type Watch func(at At, b pipeline.Batch, on func() error) error

// Try builds and starts the graph of a configuration.
func Try(ctx context.Context, cfg *pipeline.Config, s TrialSettings) (*Trial, error) {
	t := &Trial{ledger: ledger.New()}
	g, err := build(cfg, host{
		ledger: t.ledger, budget: pipeline.NewBudget(trialBudget), listeners: listen.New(), estates: pipeline.NewEstates(), settled: newSettled(),
		metrics: prometheus.NewRegistry(), log: s.Log, version: s.Version, watch: s.Watch, trace: s.Trace,
	})
	if err != nil {
		return nil, err
	}
	t.graph = g
	if err := g.start(ctx); err != nil {
		return nil, errors.Join(err, g.stop(ctx))
	}
	return t, nil
}

const trialBudget = 1 << 30

// Ledger is the accounting of what passed.
func (t *Trial) Ledger() pipeline.Reader { return t.ledger }

// Stop drains and stops all components.
func (t *Trial) Stop(ctx context.Context) error { return t.graph.stop(ctx) }

// watched tells the Watch what comes to a place.
func (g *graph) watched(at At, next pipeline.Sink) pipeline.Sink {
	if g.host.watch == nil {
		return next
	}
	return &watched{g.host.watch, at, next}
}

type watched struct {
	watch Watch
	at    At
	next  pipeline.Sink
}

func (w *watched) Consume(ctx context.Context, b pipeline.Batch) error {
	return w.watch(w.at, b, func() error { return w.next.Consume(ctx, b) })
}

// A Fault is an error of a component that shows when it is built: in what it names of the rest of the configuration, such as a
// pipeline or a statement for a signal that has no such records.
type Fault struct {
	pipeline.Instance
	Pipeline pipeline.ID // of a processor
	Err      error
}

func fault(in pipeline.Instance, err error) error { return &Fault{Instance: in, Err: err} }

// Error names the place and the component.
func (f *Fault) Error() string {
	where := ""
	if f.Component.Kind == pipeline.KindProcessor {
		where = " of pipeline " + f.Pipeline.String()
	}
	return fmt.Sprintf("%s: %s %s%s: %s", f.Place, f.Component.Kind, f.ID, where, f.Err)
}

func (f *Fault) Unwrap() error { return f.Err }

// Check builds what a configuration describes, and starts nothing and opens no port. It returns the faults of components, each
// with one error, and else the error. What components say goes to log.
func Check(cfg *pipeline.Config, log *slog.Logger) ([]*Fault, error) {
	err := check(cfg, host{budget: pipeline.NewBudget(trialBudget), listeners: listen.New(), estates: pipeline.NewEstates(), settled: newSettled(), log: log})
	var faults []*Fault
	for _, e := range apart(err) {
		f, is := e.(*Fault)
		if !is {
			return nil, err
		}
		for _, one := range apart(f.Err) {
			faults = append(faults, &Fault{Instance: f.Instance, Pipeline: f.Pipeline, Err: one})
		}
	}
	return faults, nil
}

// check builds a graph beside the one that runs, if any.
func check(cfg *pipeline.Config, of host) error {
	of.metrics, of.ledger, of.history = prometheus.NewRegistry(), ledger.New(), nil
	g, err := build(cfg, of)
	if err == nil {
		g.discard()
	}
	return err
}

// apart are the errors that were joined by errors.Join, which are told from others by their text.
func apart(err error) (out []error) {
	if err == nil {
		return nil
	}
	joined, is := err.(interface{ Unwrap() []error })
	if !is {
		return []error{err}
	}
	var texts []string
	for _, e := range joined.Unwrap() {
		texts = append(texts, e.Error())
		out = append(out, apart(e)...)
	}
	if strings.Join(texts, "\n") != err.Error() {
		return []error{err}
	}
	return out
}
