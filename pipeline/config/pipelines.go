package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

type pipelineKeys struct {
	Receivers  []string `mapstructure:"receivers"`
	Processors []string `mapstructure:"processors"`
	Exporters  []string `mapstructure:"exporters"`
}

func (l *loader) readPipelines(pipelines map[string]pipelineKeys) {
	where := []string{"service", "pipelines"}
	raw := make(map[string]any, len(pipelines))
	for name := range pipelines {
		raw[name] = nil
	}
	if len(pipelines) == 0 {
		l.Fault(l.Tree.At(where...), "there are no pipelines, so nothing would run; add one, such as logs: {receivers: [...], exporters: [...]}")
		return
	}
	for _, name := range read.OrderedKeys(l.Tree.Find(where...), raw) {
		path := read.Extend(where, name)
		p, ok := l.pipelineName(name, path)
		if !ok {
			l.markUsed(pipelines[name])
			continue
		}
		keys := pipelines[name]
		p.Receivers = l.refs(&p, pipeline.KindReceiver, keys.Receivers)
		p.Processors = l.refs(&p, pipeline.KindProcessor, keys.Processors)
		p.Exporters = l.refs(&p, pipeline.KindExporter, keys.Exporters)
		l.cfg.Pipelines = append(l.cfg.Pipelines, p)
	}
	l.checkConnectors()
	l.checkCycles()
	l.checkAnswers()
	l.memoryLimit()
}

func (l *loader) pipelineName(name string, path []string) (pipeline.PipelineConfig, bool) {
	spot := l.Tree.At(path...)
	id, err := pipeline.ParseID(name)
	if err != nil {
		l.Fault(spot, "%q is not a pipeline name; write metrics, logs or traces, and /name to tell two apart", name)
		return pipeline.PipelineConfig{}, false
	}
	var names []string
	for _, sig := range pipeline.Signals {
		if id.Type == sig.String() {
			return pipeline.PipelineConfig{ID: id, Signal: sig, Place: spot.Place}, true
		}
		names = append(names, sig.String())
	}
	if id.Type == "profiles" {
		l.Warn(spot, read.Unsupported+"; the pipeline is not run: take it out")
	} else {
		l.Fault(spot, "%q is not a signal; %s", id.Type, read.Meant(id.Type, names))
	}
	return pipeline.PipelineConfig{}, false
}

// markUsed keeps components of a pipeline with an invalid name from being reported as unused.
func (l *loader) markUsed(keys pipelineKeys) {
	lists := map[pipeline.Kind][]string{
		pipeline.KindReceiver: keys.Receivers, pipeline.KindProcessor: keys.Processors, pipeline.KindExporter: keys.Exporters,
	}
	for kind, names := range lists {
		for _, name := range names {
			if id, err := pipeline.ParseID(name); err == nil {
				if d := l.lookup(kind, id); d != nil {
					d.used = true
				}
			}
		}
	}
}

func (l *loader) refs(p *pipeline.PipelineConfig, kind pipeline.Kind, names []string) []pipeline.ID {
	path := []string{"service", "pipelines", p.ID.String(), sectionOf(kind)}
	if len(names) == 0 && l.IsGone(path...) {
		return nil
	}
	if len(names) == 0 && kind != pipeline.KindProcessor {
		l.Fault(l.Tree.At(path...), "a pipeline needs at least one %s; %s", kind, l.offer(kind))
		return nil
	}
	var ids []pipeline.ID
	for i, name := range names {
		spot := l.Tree.At(read.Extend(path, strconv.Itoa(i))...)
		spot.Path = path
		id, err := pipeline.ParseID(name)
		if err != nil {
			l.Fault(spot, "%s", err)
			continue
		}
		if slices.Contains(ids, id) {
			l.Fault(spot, "%s is listed twice; take one out", id)
			continue
		}
		ids = append(ids, id)
		l.ref(spot, p, kind, id)
	}
	return ids
}

func (l *loader) ref(spot read.At, p *pipeline.PipelineConfig, kind pipeline.Kind, id pipeline.ID) {
	d := l.lookup(kind, id)
	if d == nil {
		l.Fault(spot, "%s", l.undeclared(kind, id))
		return
	}
	d.used = true
	signals, verb := d.Component.Signals, "takes"
	if kind == pipeline.KindReceiver {
		signals, verb = d.Component.Gives(), "gives"
	}
	if d.Component.Type == "" || slices.Contains(signals, p.Signal) {
		if user, is := d.Config.(pipeline.SignalUser); is && !d.faulty {
			if err := user.CheckSignal(p.Signal); err != nil {
				l.Fault(spot, "%s %s", id, err)
			}
		}
		return
	}
	var names []string
	for _, sig := range signals {
		names = append(names, sig.String())
	}
	l.Fault(spot, "%s %s %s only %s; take it out of this pipeline of %s", d.Component.Kind, id, verb, strings.Join(names, " and "), p.Signal)
}

// lookup finds a component of a kind, or a connector.
func (l *loader) lookup(kind pipeline.Kind, id pipeline.ID) *declaration {
	if d := Find(l.declared[kind], id); d != nil {
		return d
	}
	if kind == pipeline.KindProcessor {
		return nil
	}
	return Find(l.declared[pipeline.KindConnector], id)
}

func (l *loader) undeclared(kind pipeline.Kind, id pipeline.ID) string {
	if Find(l.declared[pipeline.KindConnector], id) != nil {
		return id.String() + " is a connector; list it under the exporters of one pipeline and the receivers of another"
	}
	for _, other := range kinds {
		if other != kind && Find(l.declared[other], id) != nil {
			return id.String() + " is not declared under " + sectionOf(kind) + " but under " + sectionOf(other) + "; list it there"
		}
	}
	if best := read.Nearest(id.String(), l.names(kind)); best != "" {
		return id.String() + " is not declared under " + sectionOf(kind) + "; did you mean " + read.Quote(best) + "?"
	}
	return id.String() + " is not declared under " + sectionOf(kind) + "; declare it there, or take it out of the pipeline"
}

func (l *loader) names(kind pipeline.Kind) []string {
	may := l.declared[kind]
	if kind != pipeline.KindProcessor {
		may = append(slices.Clone(may), l.declared[pipeline.KindConnector]...)
	}
	var names []string
	for _, d := range may {
		if d.Component.Type != "" {
			names = append(names, d.ID.String())
		}
	}
	return names
}

func (l *loader) offer(kind pipeline.Kind) string {
	const most = 8
	names := l.names(kind)
	if len(names) == 0 || len(names) > most {
		return "declare one under " + sectionOf(kind) + " and list it here"
	}
	return "declared are " + strings.Join(names, ", ")
}
