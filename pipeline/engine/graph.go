// Package engine builds a graph of components from a configuration and runs it: start, reload, drain, fan-out, own
// metrics and memory limit.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
)

// graph is all components of a configuration, built but not started.
type graph struct {
	host host

	exporters []node
	inner     []node // processors and connectors, each before what it writes to
	receivers []node

	links    []*ledger.Link
	metrics  []*tracked
	building map[pipeline.ID]bool // pipelines on the way down, to see a cycle
	heads    map[pipeline.ID]head // finished pipelines
	cfg      *pipeline.Config
	byID     map[string]pipeline.Instance // kind/id
	joined   map[string]head              // connectors by name and the signal they take
	started  map[string]bool              // nodes, by key
}

type node struct {
	name  string
	key   string // unique in the graph: the name, and the pipeline of a processor or the signal of a connector
	value any
}

func newNode(name, where string, value any) node { return node{name, name + " " + where, value} }

type head struct {
	sink     pipeline.Sink
	accounts []*ledger.Account
}

// host is what outlives a graph.
type host struct {
	ledger    *ledger.Ledger
	budget    *pipeline.Budget
	listeners *listen.Listeners
	metrics   prometheus.Registerer
	estates   *pipeline.Estates
	settled   *settled
	history   *history // of metrics; nil for a graph that is only checked
	log       *slog.Logger
	dataDir   string
	version   string
	watch     Watch // of a Trial, else nil
	trace     func(ottl.Step)
}

// build builds every component. It opens no port and starts nothing.
func build(cfg *pipeline.Config, host host) (*graph, error) {
	g := &graph{
		host: host, cfg: cfg,
		building: map[pipeline.ID]bool{}, heads: map[pipeline.ID]head{}, started: map[string]bool{}, byID: map[string]pipeline.Instance{}, joined: map[string]head{},
	}
	for _, in := range cfg.Instances {
		g.byID[instanceKey(in.Component.Kind, in.ID)] = in
	}
	err := g.buildAll()
	if err != nil {
		g.discard()
		return nil, err
	}
	return g, nil
}

func instanceKey(k pipeline.Kind, id pipeline.ID) string { return string(k) + "/" + id.String() }

func (g *graph) buildAll() error {
	exporters := map[pipeline.ID]pipeline.Sink{}
	var errs []error
	for _, in := range g.cfg.Instances {
		if in.Component.Kind != pipeline.KindExporter {
			continue
		}
		sink, err := in.Component.NewExporter(g.settings(in, "", 0), in.Config)
		if err != nil {
			errs = append(errs, fault(in, err))
			continue
		}
		exporters[in.ID] = sink
		g.exporters = append(g.exporters, newNode(instanceKey(pipeline.KindExporter, in.ID), "", sink))
	}
	if errs != nil {
		return errors.Join(errs...)
	}
	for _, p := range g.cfg.Pipelines {
		if _, err := g.pipeline(p, exporters); err != nil {
			errs = append(errs, err)
		}
	}
	if errs != nil {
		return errors.Join(errs...)
	}
	for _, in := range g.cfg.Instances {
		if in.Component.Kind == pipeline.KindReceiver {
			if err := g.receiver(in); err != nil {
				errs = append(errs, fault(in, err))
			}
		}
	}
	return errors.Join(errs...)
}

// pipeline builds a pipeline from its end to its head, after the pipelines that its connectors feed.
func (g *graph) pipeline(p pipeline.PipelineConfig, exporters map[pipeline.ID]pipeline.Sink) (head, error) {
	if h, ok := g.heads[p.ID]; ok {
		return h, nil
	}
	if g.building[p.ID] {
		return head{}, fmt.Errorf("%s: pipeline %s feeds itself through its connectors", p.Place, p.ID)
	}
	g.building[p.ID] = true
	defer delete(g.building, p.ID)

	var ends []head
	for _, id := range p.Exporters {
		if in, ok := g.byID[instanceKey(pipeline.KindConnector, id)]; ok {
			h, err := g.connector(in, p.Signal, exporters)
			if err != nil {
				return head{}, err
			}
			ends = append(ends, h)
			continue
		}
		sink, ok := exporters[id]
		if !ok {
			return head{}, fmt.Errorf("%s: pipeline %s names exporter %s, which is not configured", p.Place, p.ID, id)
		}
		sink = g.watched(At{pipeline.KindExporter, id, p.ID}, sink)
		ends = append(ends, g.enter(pipeline.KindExporter, ledger.Key{Component: instanceKey(pipeline.KindExporter, id), Signal: p.Signal}, sink))
	}
	h, err := g.processorChain(p, g.fan(p.ID.String(), ends))
	if err != nil {
		return head{}, err
	}
	h.sink = g.watched(At{Pipeline: p.ID}, h.sink)
	g.heads[p.ID] = h
	return h, nil
}

func (g *graph) processorChain(p pipeline.PipelineConfig, h head) (head, error) {
	var chain []node
	for i := len(p.Processors) - 1; i >= 0; i-- {
		id := p.Processors[i]
		in, ok := g.byID[instanceKey(pipeline.KindProcessor, id)]
		if !ok {
			return head{}, fmt.Errorf("%s: pipeline %s names processor %s, which is not configured", p.Place, p.ID, id)
		}
		sink, err := in.Component.NewProcessor(g.settings(in, p.ID.String(), p.Signal), in.Config, h.sink)
		if err != nil {
			return head{}, &Fault{Instance: in, Pipeline: p.ID, Err: err}
		}
		if sink == h.sink {
			continue // a processor that has nothing to do here is not in the way
		}
		key := ledger.Key{Component: instanceKey(pipeline.KindProcessor, id), Pipeline: p.ID.String(), Signal: p.Signal}
		next := g.enter(pipeline.KindProcessor, key, g.watched(At{pipeline.KindProcessor, id, p.ID}, sink))
		g.link(next.accounts[0], h)
		h = next
		chain = append([]node{newNode(key.Component, key.Pipeline, sink)}, chain...)
	}
	g.inner = append(chain, g.inner...)
	return h, nil
}

func (g *graph) receiver(in pipeline.Instance) error {
	var out pipeline.Outputs
	for _, sig := range pipeline.Signals {
		var ends []head
		for _, p := range g.cfg.Pipelines {
			if p.Signal == sig && contains(p.Receivers, in.ID) {
				ends = append(ends, g.heads[p.ID])
			}
		}
		if ends == nil {
			continue
		}
		to := g.fan(in.ID.String()+" "+sig.String(), ends)
		h := g.enter(pipeline.KindReceiver, ledger.Key{Component: instanceKey(pipeline.KindReceiver, in.ID), Signal: sig}, to.sink)
		g.link(h.accounts[0], to)
		out = out.With(sig, h.sink)
	}
	value, err := in.Component.NewReceiver(g.settings(in, "", 0), in.Config, out)
	if err != nil {
		return err
	}
	g.receivers = append(g.receivers, newNode(instanceKey(pipeline.KindReceiver, in.ID), "", value))
	return nil
}

func (g *graph) enter(kind pipeline.Kind, key ledger.Key, sink pipeline.Sink) head {
	d := g.host.ledger.Account(kind, key)
	return head{sink: d.Entrance(sink), accounts: []*ledger.Account{d}}
}

func (g *graph) fan(name string, ends []head) head {
	var h head
	for _, e := range ends {
		h.accounts = append(h.accounts, e.accounts...)
	}
	h.sink = fanOutTo(name, ends, g.host)
	return h
}

func (g *graph) link(from *ledger.Account, to head) {
	for _, d := range to.accounts {
		g.links = append(g.links, d.Join(from))
	}
}

// settings are those of a component. inPipeline is set for processors, sig for connectors.
func (g *graph) settings(in pipeline.Instance, inPipeline string, sig pipeline.Signal) pipeline.Settings {
	kind := in.Component.Kind
	name := instanceKey(kind, in.ID)
	labels := prometheus.Labels{"component": name}
	log := g.host.log.With("component", name)
	if inPipeline != "" {
		labels["pipeline"] = inPipeline
		log = log.With("pipeline", inPipeline)
	}
	if kind == pipeline.KindConnector {
		labels["signal"] = sig.String()
	}
	reg := &tracked{to: prometheus.WrapRegistererWith(labels, g.host.metrics)}
	g.metrics = append(g.metrics, reg)
	var accounts []*ledger.Account
	for _, of := range pipeline.Signals {
		if in.Component.Takes(of) && (sig == 0 || sig == of) {
			accounts = append(accounts, g.host.ledger.Account(kind, ledger.Key{Component: name, Pipeline: inPipeline, Signal: of}))
		}
	}
	view := pipeline.View{Ledger: g.host.ledger, Config: g.cfg, Components: g.components}
	if g.host.history != nil {
		view.Own = g.host.history
	}
	return pipeline.Settings{
		ID: in.ID, Kind: kind, Signal: sig, DataDir: componentDir(g.host.dataDir, name), Version: g.host.version,
		Log: log, Metrics: reg, Budget: g.host.budget, Listen: g.host.listeners.For(log, in.Place.String(), in.Embedded),
		View: view, Books: ledger.NewBooks(name, accounts...), Listeners: g.host.listeners, Estates: g.host.estates,
		Trace: g.host.trace,
	}
}

func (g *graph) components() (all []any) {
	for _, nodes := range [][]node{g.receivers, g.inner, g.exporters} {
		for _, n := range nodes {
			all = append(all, n.value)
		}
	}
	return all
}

// start starts everything, exporters first. After an error, call stop.
func (g *graph) start(ctx context.Context) error {
	order := append(append([]node{}, g.exporters...), backward(g.inner)...)
	order = append(order, g.receivers...)
	for _, n := range order {
		if s, ok := n.value.(pipeline.Starter); ok {
			if err := s.Start(ctx); err != nil {
				return fmt.Errorf("cannot start %s: %w", n.name, err)
			}
		}
		g.started[n.key] = true
	}
	return nil
}

// stop drains until ctx ends: first receivers, then processors and connectors, upstream first, then exporters. It
// returns when all have stopped.
func (g *graph) stop(ctx context.Context) error {
	var errs []error
	var mu sync.Mutex
	end := func(n node) {
		if s, ok := n.value.(pipeline.Stopper); ok && g.started[n.key] {
			if err := s.Stop(ctx); err != nil {
				mu.Lock()
				errs = append(errs, fmt.Errorf("cannot stop %s cleanly: %w", n.name, err))
				mu.Unlock()
			}
		}
	}
	together := func(nodes []node) {
		var wg sync.WaitGroup
		for _, n := range nodes {
			wg.Go(func() { end(n) })
		}
		wg.Wait()
	}
	for _, n := range g.exporters {
		if d, ok := n.value.(pipeline.Drainer); ok {
			d.Drain()
		}
	}
	together(g.receivers)
	for _, n := range g.inner {
		end(n)
	}
	together(g.exporters)
	g.discard()
	return errors.Join(errs...)
}

// discard unregisters what the graph registered.
func (g *graph) discard() {
	unregister := func() {
		for _, m := range g.metrics {
			m.unregisterAll()
		}
	}
	if g.host.history != nil {
		g.host.history.over(unregister)
	} else {
		unregister()
	}
	for _, k := range g.links {
		k.Cut()
	}
	g.metrics, g.links = nil, nil
}

func contains(ids []pipeline.ID, id pipeline.ID) bool { return slices.Contains(ids, id) }

func backward(nodes []node) []node {
	out := slices.Clone(nodes)
	slices.Reverse(out)
	return out
}
