package config

import (
	"slices"

	"github.com/sluiceio/sluice/pipeline"
)

// checkAnswers reports queues on disk behind a connector that chooses by the answers of its pipelines: such a queue takes
// everything, so the connector would never choose another pipeline.
func (l *loader) checkAnswers() {
	for _, d := range l.declared[pipeline.KindConnector] {
		user, is := d.Config.(pipeline.AnswerUser)
		if !is || !d.used || d.faulty {
			continue
		}
		for i, p := range l.cfg.Pipelines {
			if !slices.Contains(user.DecidedBy(), p.ID.String()) || !slices.Contains(p.Receivers, d.ID) {
				continue
			}
			for exporter, key := range l.queuesBehind(i, map[int]bool{}) {
				l.Fault(d.At, "pipeline %s ends in %s, whose queue on disk (%s) takes everything, so no other pipeline would ever be chosen; "+
					"give the pipeline an exporter without one, or make it the last level", p.ID, exporter, key)
			}
		}
	}
}

// queuesBehind are the exporters with a queue on disk that a pipeline reaches, and the key of each that says so.
func (l *loader) queuesBehind(at int, seen map[int]bool) map[pipeline.ID]string {
	out := map[pipeline.ID]string{}
	if seen[at] {
		return out
	}
	seen[at] = true
	for _, id := range l.cfg.Pipelines[at].Exporters {
		d := Find(l.declared[pipeline.KindExporter], id)
		if d == nil {
			continue
		}
		if user, is := d.Config.(pipeline.StorageUser); is {
			if key, name := user.StorageKey(); name != "" {
				out[id] = key
			}
		}
	}
	for _, next := range l.steps(at) {
		for id, key := range l.queuesBehind(next.to, seen) {
			out[id] = key
		}
	}
	return out
}
