package config

import (
	"slices"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
)

// checkNames reports connectors with the name of a receiver or exporter: a pipeline's lists would be ambiguous.
func (l *loader) checkNames() {
	for _, d := range l.declared[pipeline.KindConnector] {
		for _, kind := range []pipeline.Kind{pipeline.KindReceiver, pipeline.KindExporter} {
			if other := Find(l.declared[kind], d.ID); other != nil && !d.faulty {
				l.Fault(d.At, "%s is declared under %s too (%s); give one of them another name", d.ID, sectionOf(kind), other.Place)
				d.faulty = true
			}
		}
	}
}

// checkConnectors reports connectors that only export or only receive.
func (l *loader) checkConnectors() {
	for _, d := range l.declared[pipeline.KindConnector] {
		if !d.used || d.faulty {
			continue
		}
		for _, sig := range pipeline.Signals {
			var to, from []pipeline.Signal // the other ends of what is taken as sig, and of what is given as sig
			for _, w := range d.Component.Ways {
				if w.From == sig {
					to = append(to, w.To)
				}
				if w.To == sig {
					from = append(from, w.From)
				}
			}
			feeds, fed := l.ends(d.ID, []pipeline.Signal{sig})
			_, takers := l.ends(d.ID, to)
			givers, _ := l.ends(d.ID, from)
			if len(feeds) > 0 && len(to) > 0 && len(takers) == 0 {
				l.Fault(d.At, "pipeline %s exports %s to it, but no pipeline of %s receives from it; list it under the receivers of one",
					strings.Join(feeds, ", "), sig, either(to))
			}
			if len(fed) > 0 && len(from) > 0 && len(givers) == 0 {
				l.Fault(d.At, "pipeline %s receives %s from it, but no pipeline of %s exports to it; list it under the exporters of one",
					strings.Join(fed, ", "), sig, either(from))
			}
		}
	}
}

func (l *loader) ends(id pipeline.ID, signals []pipeline.Signal) (feed, fed []string) {
	for _, p := range l.cfg.Pipelines {
		if !slices.Contains(signals, p.Signal) {
			continue
		}
		if slices.Contains(p.Exporters, id) {
			feed = append(feed, p.ID.String())
		}
		if slices.Contains(p.Receivers, id) {
			fed = append(fed, p.ID.String())
		}
	}
	return feed, fed
}

func either(signals []pipeline.Signal) string {
	var names []string
	for _, sig := range signals {
		names = append(names, sig.String())
	}
	return strings.Join(names, " or ")
}

type step struct {
	from, to int // indices of pipelines
	by       pipeline.ID
}

// checkCycles reports pipelines that feed themselves.
func (l *loader) checkCycles() {
	const unseen, open, done = 0, 1, 2
	pipelines := l.cfg.Pipelines
	state := make([]int, len(pipelines))
	var trail []step
	var visit func(i int)
	visit = func(i int) {
		state[i] = open
		for _, next := range l.steps(i) {
			trail = append(trail, next)
			switch state[next.to] {
			case unseen:
				visit(next.to)
			case open:
				l.cycle(trail)
			}
			trail = trail[:len(trail)-1]
		}
		state[i] = done
	}
	for i := range pipelines {
		if state[i] == unseen {
			visit(i)
		}
	}
}

func (l *loader) steps(i int) []step {
	var list []step
	p := l.cfg.Pipelines[i]
	for _, id := range p.Exporters {
		d := Find(l.declared[pipeline.KindConnector], id)
		if d == nil {
			continue
		}
		for j, q := range l.cfg.Pipelines {
			if d.Component.Leads(p.Signal, q.Signal) && slices.Contains(q.Receivers, id) {
				list = append(list, step{i, j, id})
			}
		}
	}
	return list
}

// cycle reports the loop at the end of the trail.
func (l *loader) cycle(trail []step) {
	last := trail[len(trail)-1]
	start := len(trail) - 1
	for trail[start].from != last.to {
		start--
	}
	var way strings.Builder
	for _, s := range trail[start:] {
		p := l.cfg.Pipelines[s.from]
		way.WriteString(p.ID.String() + " (" + p.Place.String() + ") -> " + s.by.String() + " -> ")
	}
	first := l.cfg.Pipelines[last.to].ID.String()
	spot := l.Tree.At("service", "pipelines", first)
	l.Fault(spot, "pipelines feed themselves: %s; take one connector out of the loop", way.String()+first)
}
