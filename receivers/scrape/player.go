package scrape

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire/template"
)

// player scrapes targets that are not there: it relabels and parses what a test says that they answer.
type player struct {
	settings pipeline.Settings
	jobs     map[string]*job
	next     pipeline.Sink
	states   map[uint64]*template.Template // by target hash
}

func newPlayer(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (*player, error) {
	if cfg.loaded == nil {
		if err := cfg.Validate(); err != nil {
			return nil, err
		}
	}
	p := &player{settings: s, jobs: map[string]*job{}, next: out.For(pipeline.Metrics), states: map[uint64]*template.Template{}}
	r := &Receiver{settings: s, cfg: cfg, loaded: cfg.loaded}
	for _, c := range cfg.loaded.Jobs {
		p.jobs[c.JobName] = &job{r: r, cfg: c}
	}
	return p, nil
}

// targetLine begins the first line of a body that has the labels of the target as discovery finds it.
const targetLine = "# target "

// Play scrapes a target of the job What. The first line of the text may be "# target {__address__=...}"; without it the job
// must have one static target. A target that relabel_configs drop gives nothing.
func (p *player) Play(ctx context.Context, in pipeline.Played) error {
	j := p.jobs[in.What]
	if j == nil {
		return fmt.Errorf("there is no job %q; the jobs are %s", in.What, strings.Join(slices.Sorted(maps.Keys(p.jobs)), ", "))
	}
	own, group, err := j.playedLabels(in)
	if err != nil {
		return err
	}
	t, err := j.targetOf(labels.NewBuilder(labels.EmptyLabels()), own, group)
	if err != nil {
		return fmt.Errorf("cannot make a target: %w", err)
	}
	if t == nil {
		return nil
	}
	state := p.states[t.hash]
	if state == nil {
		state = template.New(j.templateSettings(t))
		p.states[t.hash] = state
	}
	contentType := "text/plain; version=0.0.4"
	if bytes.HasSuffix(bytes.TrimSpace(in.Text), []byte("# EOF")) {
		contentType = "application/openmetrics-text; version=1.0.0"
	}
	res := state.Scrape(template.Input{Time: in.Time, Body: bytes.Clone(in.Text), ContentType: contentType, BodySize: len(in.Text)})
	book(p.settings, &res)
	if res.Err != nil {
		return fmt.Errorf("the scrape fails: %w", res.Err)
	}
	return p.next.Consume(ctx, pipeline.Batch{Signal: pipeline.Metrics, Request: state.AppendRequest(nil), Items: res.Items})
}

// playedLabels are those of the target line, else of the only static target.
func (j *job) playedLabels(in pipeline.Played) (own, group model.LabelSet, err error) {
	line, _, _ := strings.Cut(string(in.Text), "\n")
	if text, has := strings.CutPrefix(line, targetLine); has {
		l, err := parser.NewParser(parser.Options{}).ParseMetric(strings.TrimSpace(text))
		if err != nil {
			return nil, nil, fmt.Errorf("cannot read the target's labels: %w", err)
		}
		own = model.LabelSet{}
		l.Range(func(l labels.Label) { own[model.LabelName(l.Name)] = model.LabelValue(l.Value) })
		return own, nil, nil
	}
	n := 0
	for _, c := range j.cfg.ServiceDiscoveryConfigs {
		static, _ := c.(discovery.StaticConfig)
		for _, g := range static {
			for _, target := range g.Targets {
				own, group = target, g.Labels
				n++
			}
		}
	}
	if n != 1 {
		return nil, nil, fmt.Errorf(`job %q has %d static targets; say which target answers, in a first line: %s{__address__="HOST:PORT"}`, in.What, n, targetLine)
	}
	return own, group, nil
}
