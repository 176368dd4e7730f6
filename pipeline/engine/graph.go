package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/listen"
)

// graph is a built configuration: every component made, none started.
type graph struct {
	host Host

	exporters []node
	inner     []node // processors and connectors, each before what it writes to
	receivers []node

	links    []*link
	metrics  []*tracked
	building map[ID]bool // pipelines on the way down, to see a cycle
	heads    map[ID]head // finished pipelines
	cfg      *Config
	byID     map[string]Instance // kind/id
	joined   map[string]head     // connectors by name and the signal they take
	started  map[string]bool     // nodes, by key
}

// node is one component of a graph.
type node struct {
	name  string
	key   string // unique in the graph: the name, and the pipeline of a processor or the signal of a connector
	value any
}

func newNode(name, where string, value any) node { return node{name, name + " " + where, value} }

// head is where a pipeline, or an exporter, is entered: the sink and the account that books it.
type head struct {
	sink     Sink
	accounts []*account
}

// Host is what a graph needs of the process around it. All of it outlives the graph.
type Host struct {
	Ledger    *Ledger
	Budget    *Budget
	Listeners *listen.Listeners
	Metrics   prometheus.Registerer
	history   *history // of Metrics; nil for a graph that is only checked
	Log       *slog.Logger
	DataDir   string
	Version   string
}

// build makes every component of the configuration. It opens no port and starts nothing.
func build(cfg *Config, host Host) (*graph, error) {
	g := &graph{
		host: host, cfg: cfg,
		building: map[ID]bool{}, heads: map[ID]head{}, started: map[string]bool{}, byID: map[string]Instance{}, joined: map[string]head{},
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

func instanceKey(k Kind, id ID) string { return string(k) + "/" + id.String() }

func (g *graph) buildAll() error {
	exporters := map[ID]Sink{}
	var errs []error
	for _, in := range g.cfg.Instances {
		if in.Component.Kind != KindExporter {
			continue
		}
		sink, err := in.Component.buildExporter(g.settings(in, "", 0), in.Config)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: exporter %s: %w", in.Place, in.ID, err))
			continue
		}
		exporters[in.ID] = sink
		g.exporters = append(g.exporters, newNode(instanceKey(KindExporter, in.ID), "", sink))
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
		if in.Component.Kind == KindReceiver {
			if err := g.receiver(in); err != nil {
				errs = append(errs, fmt.Errorf("%s: receiver %s: %w", in.Place, in.ID, err))
			}
		}
	}
	return errors.Join(errs...)
}

// pipeline builds one pipeline from its end to its head, after the pipelines that its connectors feed.
func (g *graph) pipeline(p PipelineConfig, exporters map[ID]Sink) (head, error) {
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
		if in, ok := g.byID[instanceKey(KindConnector, id)]; ok {
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
		ends = append(ends, g.enter(KindExporter, accountKey{component: instanceKey(KindExporter, id), signal: p.Signal}, sink))
	}
	h, err := g.processorChain(p, g.fan(ends))
	if err != nil {
		return head{}, err
	}
	g.heads[p.ID] = h
	return h, nil
}

func (g *graph) processorChain(p PipelineConfig, h head) (head, error) {
	var chain []node
	for i := len(p.Processors) - 1; i >= 0; i-- {
		id := p.Processors[i]
		in, ok := g.byID[instanceKey(KindProcessor, id)]
		if !ok {
			return head{}, fmt.Errorf("%s: pipeline %s names processor %s, which is not configured", p.Place, p.ID, id)
		}
		sink, err := in.Component.buildProcessor(g.settings(in, p.ID.String(), p.Signal), in.Config, h.sink)
		if err != nil {
			return head{}, fmt.Errorf("%s: processor %s of pipeline %s: %w", in.Place, id, p.ID, err)
		}
		if sink == h.sink {
			continue // a processor that has nothing to do here is not in the way
		}
		key := accountKey{component: instanceKey(KindProcessor, id), pipeline: p.ID.String(), signal: p.Signal}
		next := g.enter(KindProcessor, key, sink)
		g.link(next.accounts[0], h)
		h = next
		chain = append([]node{newNode(key.component, key.pipeline, sink)}, chain...)
	}
	g.inner = append(chain, g.inner...)
	return h, nil
}

// connector builds the instance of a connector for one signal, after the pipelines that receive from it.
func (g *graph) connector(in Instance, sig Signal, exporters map[ID]Sink) (head, error) {
	name := instanceKey(KindConnector, in.ID)
	key := name + " " + sig.String()
	if h, ok := g.joined[key]; ok {
		return h, nil
	}
	own := g.host.Ledger.account(KindConnector, accountKey{component: name, signal: sig})
	var out Outputs
	var ends [len(Signals) + 1][]head
	for _, q := range g.cfg.Pipelines {
		if !contains(q.Receivers, in.ID) || !in.Component.Leads(sig, q.Signal) {
			continue
		}
		h, err := g.pipeline(q, exporters)
		if err != nil {
			return head{}, err
		}
		branch := g.enter(KindConnector, accountKey{component: name, pipeline: q.ID.String(), signal: q.Signal}, h.sink)
		g.link(branch.accounts[0], h)
		own.branch(branch.accounts[0])
		out.pipelines, out.branches = append(out.pipelines, q.ID), append(out.branches, branch)
		ends[q.Signal] = append(ends[q.Signal], branch)
	}
	for to, branches := range ends {
		if branches != nil {
			out.all[to] = fanOutTo(branches)
		}
	}
	sink, err := in.Component.buildConnector(g.settings(in, "", sig), in.Config, out)
	if err != nil {
		return head{}, fmt.Errorf("%s: connector %s: %w", in.Place, in.ID, err)
	}
	g.inner = append([]node{newNode(name, sig.String(), sink)}, g.inner...)
	h := head{sink: &entrance{account: own, next: sink}, accounts: []*account{own}}
	g.joined[key] = h
	return h, nil
}

func (g *graph) receiver(in Instance) error {
	var out Outputs
	for _, sig := range Signals {
		var ends []head
		for _, p := range g.cfg.Pipelines {
			if p.Signal == sig && contains(p.Receivers, in.ID) {
				ends = append(ends, g.heads[p.ID])
			}
		}
		if ends == nil {
			continue
		}
		to := g.fan(ends)
		h := g.enter(KindReceiver, accountKey{component: instanceKey(KindReceiver, in.ID), signal: sig}, to.sink)
		g.link(h.accounts[0], to)
		out.all[sig] = h.sink
	}
	value, err := in.Component.buildReceiver(g.settings(in, "", 0), in.Config, out)
	if err != nil {
		return err
	}
	g.receivers = append(g.receivers, newNode(instanceKey(KindReceiver, in.ID), "", value))
	return nil
}

// enter wraps a component's sink with its account.
func (g *graph) enter(kind Kind, key accountKey, sink Sink) head {
	d := g.host.Ledger.account(kind, key)
	return head{sink: &entrance{account: d, next: sink}, accounts: []*account{d}}
}

// fan joins heads into one.
func (g *graph) fan(ends []head) head {
	var h head
	for _, e := range ends {
		h.accounts = append(h.accounts, e.accounts...)
	}
	h.sink = fanOutTo(ends)
	return h
}

func (g *graph) link(from *account, to head) {
	for _, d := range to.accounts {
		g.links = append(g.links, d.join(from))
	}
}

// settings are those of one component of this graph. A processor belongs to one pipeline, a connector's instance to one
// signal, the others to none.
func (g *graph) settings(in Instance, pipeline string, sig Signal) Settings {
	name := instanceKey(in.Component.Kind, in.ID)
	labels := prometheus.Labels{"component": name}
	log := g.host.Log.With("component", name)
	if pipeline != "" {
		labels["pipeline"] = pipeline
		log = log.With("pipeline", pipeline)
	}
	if in.Component.Kind == KindConnector {
		labels["signal"] = sig.String()
	}
	reg := &tracked{to: prometheus.WrapRegistererWith(labels, g.host.Metrics)}
	g.metrics = append(g.metrics, reg)
	s := Settings{
		ID: in.ID, Kind: in.Component.Kind, Signal: sig, DataDir: componentDir(g.host.DataDir, name), Version: g.host.Version,
		Log: log, Metrics: reg, Budget: g.host.Budget, Listen: g.host.Listeners.For(log, in.Place.String(), in.Embedded),
		View: View{Ledger: g.host.Ledger, Config: g.cfg}, accounts: &accountSet{}, listeners: g.host.Listeners,
	}
	for _, of := range Signals {
		if in.Component.Takes(of) && (sig == 0 || sig == of) {
			s.accounts.accounts[of] = g.host.Ledger.account(in.Component.Kind, accountKey{component: name, pipeline: pipeline, signal: of})
		}
	}
	return s
}

// start starts everything, from the exporters upward. When one fails, what was started is stopped.
func (g *graph) start(ctx context.Context) error {
	order := append(append([]node{}, g.exporters...), backward(g.inner)...)
	order = append(order, g.receivers...)
	for _, n := range order {
		if s, ok := n.value.(Starter); ok {
			if err := s.Start(ctx); err != nil {
				return fmt.Errorf("cannot start %s: %w", n.name, err)
			}
		}
		g.started[n.key] = true
	}
	return nil
}

// stop drains until ctx ends: receivers take in nothing more, then processors and connectors hand on what they hold,
// upstream first, then exporters. It returns when all have stopped.
func (g *graph) stop(ctx context.Context) error {
	var errs []error
	var mu sync.Mutex
	end := func(n node) {
		if s, ok := n.value.(Stopper); ok && g.started[n.key] {
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
	together(g.receivers)
	for _, n := range g.inner {
		end(n)
	}
	together(g.exporters)
	g.discard()
	return errors.Join(errs...)
}

// discard takes back what the graph registered.
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
		k.cut()
	}
	g.metrics, g.links = nil, nil
}

func contains(ids []ID, id ID) bool { return slices.Contains(ids, id) }

func backward(nodes []node) []node {
	out := slices.Clone(nodes)
	slices.Reverse(out)
	return out
}
