package kubestate

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/kubestate/series"
)

// Config is what a user sets.
type Config struct {
	kube.Access `mapstructure:",squash"`

	// CollectionInterval is the time between two samples of a series.
	CollectionInterval time.Duration `mapstructure:"collection_interval"`
	// Resources are the kinds of objects, as in kube-state-metrics' --resources; empty: all but endpoints.
	Resources []string `mapstructure:"resources"`
	// Namespaces are those whose objects have series; empty: all. Objects without a namespace always have.
	Namespaces []string `mapstructure:"namespaces"`
	// Labels are the labels of objects that become kube_*_labels, by resource; "*" is all.
	Labels map[string][]string `mapstructure:"labels"`
	// Exclude are regular expressions of whole names of series to leave out.
	Exclude []string `mapstructure:"exclude"`
	// Job and Instance are labels of all series. Dashboards and alerts ask for the job kube-state-metrics.
	Job      string `mapstructure:"job"`
	Instance string `mapstructure:"instance"`
	// K8sLeaderElector names an extension: only the process that leads makes the series.
	K8sLeaderElector string `mapstructure:"k8s_leader_elector"`
	// BacklogBytes limits what waits for delivery; the oldest is dropped as backlog_full.
	BacklogBytes int `mapstructure:"backlog_bytes"`
}

// ElectionKey implements pipeline.ElectionUser.
func (c *Config) ElectionKey() (key, name string) { return "k8s_leader_elector", c.K8sLeaderElector }

const (
	defaultInterval = 30 * time.Second
	leastInterval   = time.Second
	defaultBacklog  = 32 << 20
	leastBacklog    = 8 * chunkSize
)

// Default reads the whole cluster as kube-prometheus scrapes kube-state-metrics.
func Default() *Config {
	return &Config{CollectionInterval: defaultInterval, Job: "kube-state-metrics", Instance: "kube-state-metrics", BacklogBytes: defaultBacklog}
}

// Validate reports every fault with its key.
func (c *Config) Validate() error {
	errs := []error{c.Access.Validate()}
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(c.CollectionInterval < leastInterval, `"collection_interval" is %s; write at least %s, such as 30s`, c.CollectionInterval, leastInterval)
	fault(c.BacklogBytes < leastBacklog, `"backlog_bytes" is %d; write at least %d`, c.BacklogBytes, leastBacklog)
	fault(c.Job == "", `"job" is empty; dashboards ask for kube-state-metrics`)
	usual, others := series.Resources()
	known := append(usual, others...)
	for _, r := range c.Resources {
		fault(!slices.Contains(known, r), `"resources" names %q; there are %s`, r, strings.Join(known, ", "))
	}
	for _, r := range slices.Sorted(maps.Keys(c.Labels)) {
		fault(!slices.Contains(c.resources(), r), `"labels" names %q, which is not among the resources (%s)`, r, strings.Join(c.resources(), ", "))
	}
	fault(slices.Contains(c.Namespaces, ""), `"namespaces" has an empty entry; take it out, or leave out the key for all namespaces`)
	for i, e := range c.Exclude {
		_, err := regexp.Compile(e)
		fault(err != nil, `"exclude[%d]" is no regular expression: %v`, i, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fault(len(c.kinds()) == 0, `"exclude" leaves no series`)
	return errors.Join(errs...)
}

func (c *Config) resources() []string {
	if len(c.Resources) > 0 {
		return c.Resources
	}
	usual, _ := series.Resources()
	return usual
}

// kinds are what the configuration asks for.
func (c *Config) kinds() []series.Kind {
	var out []*regexp.Regexp
	for _, e := range c.Exclude {
		out = append(out, regexp.MustCompile("^(?:"+e+")$")) // Validate has seen that it compiles
	}
	return series.Select(c.resources(), c.Labels, func(name string) bool {
		return slices.ContainsFunc(out, func(r *regexp.Regexp) bool { return r.MatchString(name) })
	})
}

// Component describes the receiver to the engine.
func Component() pipeline.Component {
	return pipeline.Receiver("kube_state", Default, New, pipeline.Metrics).
		WithDoc("makes kube_* series of the objects of a Kubernetes cluster, as kube-state-metrics does")
}
