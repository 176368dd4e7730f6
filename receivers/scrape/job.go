package scrape

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	promscrape "github.com/prometheus/prometheus/scrape"

	"github.com/sluiceio/sluice/receivers/scrape/presets"
	"github.com/sluiceio/sluice/receivers/scrape/promfile"
	"github.com/sluiceio/sluice/wire/template"
)

// job is one scrape config and its current targets.
type job struct {
	r      *Receiver
	cfg    *config.ScrapeConfig
	client *http.Client
	accept string
	said   lines // of invalid targets

	// Used by discovery, after Stop by leaveGroups.
	reported []*targetgroup.Group // by the last update
	groups   []*targetgroup.Group // those and the held ones
	held     []*targetgroup.Group // of files that are broken since a reload

	mu      sync.Mutex
	loops   map[uint64]*loop // by target hash
	dropped int              // by relabelling, at the last sync
	invalid int              // targets that could not be made, at the last sync
	synced  bool             // discovery has reported at least once
	full    error            // target_limit is exceeded: every scrape fails with it
}

func newJob(r *Receiver, c *config.ScrapeConfig) (*job, error) {
	options := []commonconfig.HTTPClientOption{}
	if r.dial != nil {
		options = append(options, commonconfig.WithDialContextFunc(r.dial))
	}
	client, err := commonconfig.NewClientFromConfig(c.HTTPClientConfig, c.JobName, options...)
	if err != nil {
		return nil, fmt.Errorf("cannot make the HTTP client of job %q: %w", c.JobName, err)
	}
	escaping, err := config.ToEscapingScheme(c.MetricNameEscapingScheme, c.MetricNameValidationScheme)
	if err != nil {
		return nil, fmt.Errorf("cannot read metric_name_escaping_scheme of job %q: %w", c.JobName, err)
	}
	return &job{r: r, cfg: c, client: client, accept: acceptHeader(promfile.Protocols(c), escaping), loops: map[uint64]*loop{}}, nil
}

// sync takes an update of discovery.
func (j *job) sync(groups []*targetgroup.Group) {
	j.reported = groups
	j.replace(j.withHeld(groups))
}

// replace replaces the job's targets. Series of missing ones end with stale markers a little later.
func (j *job) replace(groups []*targetgroup.Group) {
	j.groups = groups
	targets, dropped, invalid := j.targetsOf(groups)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.dropped, j.invalid = dropped, invalid
	for hash, t := range targets {
		if _, known := j.loops[hash]; known || j.r.ctx.Err() != nil {
			continue
		}
		l := newLoop(j, t)
		if old := j.r.orphans.take(l.identity(), j.templateSettings(t)); old != nil {
			l.inherit(old)
		}
		j.loops[hash] = l
		j.r.loops.Go(l.run)
	}
	for hash, l := range j.loops {
		if _, stays := targets[hash]; !stays {
			delete(j.loops, hash)
			l.end()
		}
	}
	j.synced = true
	j.full = nil
	if limit := int(j.cfg.TargetLimit); limit > 0 && len(j.loops) > limit {
		j.full = &failure{reasonTargetLimit, fmt.Errorf("target_limit of job %q is %d, it has %d targets", j.cfg.JobName, limit, len(j.loops))}
	}
}

func (j *job) targetsOf(groups []*targetgroup.Group) (targets map[uint64]*target, dropped, invalid int) {
	targets = map[uint64]*target{}
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, g := range groups {
		for _, own := range g.Targets {
			t, err := j.targetOf(b, own, g.Labels)
			switch {
			case err != nil:
				invalid++
				j.sayInvalid(g, own, err)
			case t == nil:
				dropped++
			default:
				targets[t.hash] = t
			}
		}
	}
	return targets, dropped, invalid
}

// sayInvalid logs each invalid target at once, and again at most once a minute.
func (j *job) sayInvalid(g *targetgroup.Group, own model.LabelSet, err error) {
	const message = "cannot make a target"
	if skipped, due := j.said.of(g.Source+" "+own.String(), message).Now(); due {
		j.r.settings.Log.Error(message, "job", j.cfg.JobName, "group", g.Source, "target", string(own[model.AddressLabel]), "error", err, "suppressed", skipped)
	}
}

// targetOf returns nil if relabel_configs drop the target.
func (j *job) targetOf(b *labels.Builder, own, group model.LabelSet) (*target, error) {
	l, err := promscrape.PopulateLabels(b, j.cfg, own, group)
	if err != nil || l.IsEmpty() {
		return nil, err
	}
	if j.cfg.JobName == presets.AnnotationsJob && j.r.cfg.Annotations.Enabled {
		if err := presets.Refused(l.Get(model.AddressLabel)); err != nil {
			return nil, err
		}
	}
	t, err := newTarget(l, j.cfg.Params)
	if err == nil {
		t.shown = promscrape.NewTarget(l, j.cfg, own, group)
	}
	return t, err
}

func (j *job) overflow() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.full
}

func (j *job) active() []*promscrape.Target {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]*promscrape.Target, 0, len(j.loops))
	for _, l := range j.loops {
		out = append(out, l.target.shown)
	}
	slices.SortFunc(out, func(a, b *promscrape.Target) int { return strings.Compare(a.String(), b.String()) })
	return out
}

func (j *job) census() (active, dropped, invalid int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.loops), j.dropped, j.invalid
}

func (j *job) templateSettings(t *target) template.Settings {
	c := j.cfg
	return template.Settings{
		Scope:            ScopeName,
		Target:           t.public,
		External:         j.r.loaded.Global.ExternalLabels,
		Relabel:          c.MetricRelabelConfigs,
		HonorLabels:      c.HonorLabels,
		HonorTimestamps:  c.HonorTimestamps,
		TrackStaleness:   c.TrackTimestampsStaleness,
		Validation:       c.MetricNameValidationScheme,
		Fallback:         c.ScrapeFallbackProtocol.HeaderMediaType(),
		SampleLimit:      int(c.SampleLimit),
		LabelLimit:       int(c.LabelLimit),
		LabelNameLength:  int(c.LabelNameLengthLimit),
		LabelValueLength: int(c.LabelValueLengthLimit),
		ExtraMetrics:     c.ExtraScrapeMetricsEnabled(),
		Timeout:          t.timeout,
	}
}
