package config

import (
	"strings"

	"github.com/sluiceio/sluice/pipeline"
)

// readConnectors reads connectors, of which there is one type.
func (l *loader) readConnectors() {
	for _, d := range l.entries("connectors") {
		l.forwards = append(l.forwards, d)
		if d.faulty {
			continue
		}
		if d.ID.Type != pipeline.ConnectorForward {
			d.faulty = true
			if _, known := knownConnectors[normal(d.ID.Type)]; known {
				l.fault(d.at, notDone+"; the only connector is forward")
				continue
			}
			l.fault(d.at, "unknown connector type; the only connector is forward")
			continue
		}
		_, ok := l.decode(l.section("connectors", d, nil), func() any { return &struct{}{} })
		d.faulty = !ok
		for _, kind := range []pipeline.Kind{pipeline.KindReceiver, pipeline.KindExporter} {
			if other := find(l.declared[kind], d.ID); other != nil {
				l.fault(d.at, "%s is declared under %s too (%s); give one of them another name", d.ID, sectionOf(kind), other.Place)
				d.faulty = true
			}
		}
	}
}

// checkForwards sees to it that what one pipeline hands to a connector another takes, signal by signal.
func (l *loader) checkForwards() {
	for _, d := range l.forwards {
		if !d.used || d.faulty {
			continue
		}
		l.cfg.Service.Connectors = append(l.cfg.Service.Connectors, d.ID)
		for _, sig := range pipeline.Signals {
			var from, to []string
			for _, p := range l.cfg.Pipelines {
				if p.Signal != sig {
					continue
				}
				if contains(p.Exporters, d.ID) {
					from = append(from, p.ID.String())
				}
				if contains(p.Receivers, d.ID) {
					to = append(to, p.ID.String())
				}
			}
			switch {
			case len(from) > 0 && len(to) == 0:
				l.fault(d.at, "pipeline %s exports %s to it, but no pipeline of %s receives from it; list it under the receivers of one",
					strings.Join(from, ", "), sig, sig)
			case len(to) > 0 && len(from) == 0:
				l.fault(d.at, "pipeline %s receives %s from it, but no pipeline of %s exports to it; list it under the exporters of one",
					strings.Join(to, ", "), sig, sig)
			}
		}
	}
}

// step is one hop from a pipeline through a connector into the next.
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

// steps lists where a pipeline leads.
func (l *loader) steps(i int) []step {
	var list []step
	p := l.cfg.Pipelines[i]
	for _, id := range p.Exporters {
		if find(l.forwards, id) == nil {
			continue
		}
		for j, q := range l.cfg.Pipelines {
			if q.Signal == p.Signal && contains(q.Receivers, id) {
				list = append(list, step{i, j, id})
			}
		}
	}
	return list
}

// cycle reports the end of the trail that leads back into itself.
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
	spot := l.tree.at("service", "pipelines", first)
	l.fault(spot, "pipelines feed themselves: %s; take one connector out of the circle", way.String()+first)
}
