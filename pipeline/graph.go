package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/listen"
)

// ConnectorForward is the type of the one connector there is: it hands what one pipeline exports to the
// pipelines that receive from it.
const ConnectorForward = "forward"

// graph is a built configuration: every component made, none started.
type graph struct {
	host Host

	exporters  []part
	processors []part // upstream first within a pipeline
	receivers  []part

	links    []*link
	metrics  []*tracked
	building map[ID]bool // pipelines on the way down, to see a cycle
	heads    map[ID]head // finished pipelines
	cfg      *Config
	byID     map[string]Instance // kind/id
	sinks    map[ID]head         // exporters by id and signal, see exporterHead
	started  map[string]bool     // parts, by name and pipeline
}

// part is one component of a graph.
type part struct {
	name  string
	key   string // of the component in its pipeline, unique in the graph
	value any
}

func newPart(name, pipeline string, value any) part { return part{name, name + " " + pipeline, value} }

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
	estates   *estates
	history   *history // of Metrics; nil for a graph that is only checked
	Log       *slog.Logger
	DataDir   string
	Version   string
}

// build makes every component of the configuration. It opens no port and starts nothing.
func build(cfg *Config, host Host) (*graph, error) {
	g := &graph{
		host: host, cfg: cfg,
		building: map[ID]bool{}, heads: map[ID]head{}, started: map[string]bool{}, byID: map[string]Instance{}, sinks: map[ID]head{},
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
		sink, err := in.Component.buildExporter(g.settings(in, nil), in.Config)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: exporter %s: %w", in.Place, in.ID, err))
			continue
		}
		exporters[in.ID] = sink
		g.exporters = append(g.exporters, newPart(instanceKey(KindExporter, in.ID), "", sink))
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
		if g.isConnector(id) {
			for _, q := range g.cfg.Pipelines {
				if q.Signal == p.Signal && contains(q.Receivers, id) {
					h, err := g.pipeline(q, exporters)
					if err != nil {
						return head{}, err
					}
					ends = append(ends, h)
				}
			}
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
	var chain []part
	for i := len(p.Processors) - 1; i >= 0; i-- {
		id := p.Processors[i]
		in, ok := g.byID[instanceKey(KindProcessor, id)]
		if !ok {
			return head{}, fmt.Errorf("%s: pipeline %s names processor %s, which is not configured", p.Place, p.ID, id)
		}
		sink, err := in.Component.buildProcessor(g.settings(in, &p), in.Config, h.sink)
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
		chain = append([]part{newPart(key.component, key.pipeline, sink)}, chain...)
	}
	g.processors = append(chain, g.processors...)
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
		out.set(sig, h.sink)
	}
	value, err := in.Component.buildReceiver(g.settings(in, nil), in.Config, out)
	if err != nil {
		return err
	}
	g.receivers = append(g.receivers, newPart(instanceKey(KindReceiver, in.ID), "", value))
	return nil
}

func (g *graph) isConnector(id ID) bool { return contains(g.cfg.Service.Connectors, id) }

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

// settings are those of one component of this graph. A processor belongs to one pipeline, the others to none.
func (g *graph) settings(in Instance, p *PipelineConfig) Settings {
	name := instanceKey(in.Component.Kind, in.ID)
	labels := prometheus.Labels{"component": name}
	log := g.host.Log.With("component", name)
	pipelineID := ""
	if p != nil {
		pipelineID = p.ID.String()
		labels["pipeline"] = pipelineID
		log = log.With("pipeline", pipelineID)
	}
	reg := &tracked{to: prometheus.WrapRegistererWith(labels, g.host.Metrics)}
	g.metrics = append(g.metrics, reg)
	s := Settings{
		ID: in.ID, Kind: in.Component.Kind, DataDir: componentDir(g.host.DataDir, name), Version: g.host.Version,
		Log: log, Metrics: reg, Budget: g.host.Budget, Listen: g.host.Listeners.For(log, in.Place.String(), in.Embedded),
		View: View{Ledger: g.host.Ledger, Config: g.cfg}, accounts: &accountSet{}, listeners: g.host.Listeners, estates: g.host.estates,
	}
	if p != nil {
		s.Signal = p.Signal
	}
	for _, sig := range Signals {
		if in.Component.Takes(sig) && (p == nil || p.Signal == sig) {
			s.accounts.accounts[sig] = g.host.Ledger.account(in.Component.Kind, accountKey{component: name, pipeline: pipelineID, signal: sig})
		}
	}
	return s
}

// start starts everything, from the exporters upward. When one fails, what was started is stopped.
func (g *graph) start(ctx context.Context) error {
	order := append(append([]part{}, g.exporters...), backward(g.processors)...)
	order = append(order, g.receivers...)
	for _, p := range order {
		if s, ok := p.value.(Starter); ok {
			if err := s.Start(ctx); err != nil {
				return fmt.Errorf("cannot start %s: %w", p.name, err)
			}
		}
		g.started[p.key] = true
	}
	return nil
}

// stop drains until ctx ends: receivers take in nothing more, then processors hand on what they hold, upstream
// first, then exporters. It returns when all have stopped.
func (g *graph) stop(ctx context.Context) error {
	var errs []error
	var mu sync.Mutex
	end := func(p part) {
		if s, ok := p.value.(Stopper); ok && g.started[p.key] {
			if err := s.Stop(ctx); err != nil {
				mu.Lock()
				errs = append(errs, fmt.Errorf("cannot stop %s cleanly: %w", p.name, err))
				mu.Unlock()
			}
		}
	}
	together := func(parts []part) {
		var wg sync.WaitGroup
		for _, p := range parts {
			wg.Go(func() { end(p) })
		}
		wg.Wait()
	}
	together(g.receivers)
	for _, p := range g.processors {
		end(p)
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

func contains(ids []ID, id ID) bool {
	for _, i := range ids {
		if i == id {
			return true
		}
	}
	return false
}

func backward(parts []part) []part {
	out := make([]part, 0, len(parts))
	for i := len(parts) - 1; i >= 0; i-- {
		out = append(out, parts[i])
	}
	return out
}
