package k8sobjects

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's k8sobjects receiver.
type Config struct {
	kube.Access `mapstructure:",squash"`

	// Objects are what is read.
	Objects []Object `mapstructure:"objects"`
	// IncludeInitialState lets a watch begin with the objects that are there at the very first start.
	IncludeInitialState bool `mapstructure:"include_initial_state"`
	// ErrorMode says what happens where the API server does not have a resource: propagate and ignore log it, silent does not. None
	// keeps the daemon from starting.
	ErrorMode string `mapstructure:"error_mode"`
	// K8sLeaderElector names an extension: only the process that leads reads objects.
	K8sLeaderElector string `mapstructure:"k8s_leader_elector"`

	KubeAPIQPS   float64 `mapstructure:"kube_api_qps"`   // accepted: requests are few
	KubeAPIBurst int     `mapstructure:"kube_api_burst"` // accepted
}

// Object is a resource, and how it is read.
type Object struct {
	Name  string `mapstructure:"name"`  // as in URLs: pods
	Group string `mapstructure:"group"` // of the API; empty: the first that has the resource
	// Mode is pull (the default): all objects each interval; or watch: each change.
	Mode          string        `mapstructure:"mode"`
	LabelSelector string        `mapstructure:"label_selector"`
	FieldSelector string        `mapstructure:"field_selector"`
	Interval      time.Duration `mapstructure:"interval"` // of pull; 0: an hour
	// ResourceVersion is where a watch begins at the very first start; empty: now.
	ResourceVersion string   `mapstructure:"resource_version"`
	Namespaces      []string `mapstructure:"namespaces"` // empty: all
	// ExcludeWatchType are types of changes that are left out: ADDED, MODIFIED, DELETED.
	ExcludeWatchType []string `mapstructure:"exclude_watch_type"`
}

const (
	pull            = "pull"
	watch           = "watch"
	defaultInterval = time.Hour
	leastInterval   = time.Second
)

var watchTypes = []string{"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"}

// ElectionKey implements pipeline.ElectionUser.
func (c *Config) ElectionKey() (key, name string) { return "k8s_leader_elector", c.K8sLeaderElector }

// Default reads nothing, which Validate refuses.
func Default() *Config { return &Config{ErrorMode: "propagate"} }

// Validate reports every fault with its key.
func (c *Config) Validate() error {
	errs := []error{c.Access.Validate()}
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(len(c.Objects) == 0, `"objects" is empty; list at least one, such as {name: events, mode: watch}`)
	fault(!slices.Contains([]string{"propagate", "ignore", "silent"}, c.ErrorMode), `"error_mode" is %q; write propagate, ignore or silent`, c.ErrorMode)
	seen := map[string]int{}
	for i, o := range c.Objects {
		at := fmt.Sprintf("objects[%d]", i)
		fault(o.Name == "", `"%s::name" is missing; write the resource, such as pods`, at)
		fault(o.Mode != "" && o.Mode != pull && o.Mode != watch, `"%s::mode" is %q; write pull or watch`, at, o.Mode)
		fault(o.Interval != 0 && o.Interval < leastInterval, `"%s::interval" is %s; write at least %s`, at, o.Interval, leastInterval)
		fault(o.Mode != watch && len(o.ExcludeWatchType) > 0, `"%s::exclude_watch_type" needs "mode: watch"`, at)
		fault(o.Mode != watch && o.ResourceVersion != "", `"%s::resource_version" needs "mode: watch"`, at)
		for _, t := range o.ExcludeWatchType {
			fault(!slices.Contains(watchTypes, t), `"%s::exclude_watch_type" has %q; write %s`, at, t, strings.Join(watchTypes, ", "))
		}
		_, err := labels.Parse(o.LabelSelector)
		fault(err != nil, `"%s::label_selector": %v`, at, err)
		_, err = fields.ParseSelector(o.FieldSelector)
		fault(err != nil, `"%s::field_selector": %v`, at, err)
		fault(slices.Contains(o.Namespaces, ""), `"%s::namespaces" has an empty entry; take it out, or leave out the key for all namespaces`, at)
		if first, twice := seen[o.key("")]; twice {
			fault(true, `"%s" is the same as "objects[%d]"; take one out`, at, first)
		}
		seen[o.key("")] = i
	}
	return errors.Join(errs...)
}

// Warnings tells of what is easily done by mistake.
func (c *Config) Warnings() []string {
	for _, o := range c.Objects {
		if o.Name == "secrets" && o.Group == "" {
			return []string{`"objects" names secrets: their values are sent in clear text to the exporters`}
		}
	}
	return nil
}

// key tells apart what has a position of its own.
func (o Object) key(namespace string) string {
	return strings.Join([]string{o.Mode, o.Group, o.Name, o.LabelSelector, o.FieldSelector, namespace}, "|")
}

// Component describes the receiver.
func Component() pipeline.Component {
	return pipeline.Receiver("k8sobjects", Default, New, pipeline.Logs).
		WithDoc("reads objects of a Kubernetes cluster as logs: all at an interval, or each change")
}
