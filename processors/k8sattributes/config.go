package k8sattributes

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's k8s_attributes processor.
type Config struct {
	kube.Access `mapstructure:",squash"`

	// Passthrough only adds k8s.pod.ip from the connection, and asks nothing of the API server.
	Passthrough bool `mapstructure:"passthrough"`
	// Extract is what is added.
	Extract Extract `mapstructure:"extract"`
	// Filter is which pods are watched.
	Filter Filter `mapstructure:"filter"`
	// Association is how the pod of a resource is found: in order, until one finds it.
	Association []Association `mapstructure:"pod_association"`
	// Exclude names pods whose telemetry gets nothing.
	Exclude Exclude `mapstructure:"exclude"`
	// WaitForMetadata lets batches wait for the first list, at most for the timeout after the start. The start itself never waits.
	WaitForMetadata        bool          `mapstructure:"wait_for_metadata"`
	WaitForMetadataTimeout time.Duration `mapstructure:"wait_for_metadata_timeout"`

	WatchSyncPeriod      time.Duration `mapstructure:"watch_sync_period"`       // accepted: a watch brings every change
	PodDeleteGracePeriod time.Duration `mapstructure:"pod_delete_grace_period"` // accepted: a deleted pod is known for ten minutes
	KubeAPIQPS           float64       `mapstructure:"kube_api_qps"`            // accepted: watches are few
	KubeAPIBurst         int           `mapstructure:"kube_api_burst"`          // accepted
}

// Extract is what is added to a resource.
type Extract struct {
	// Metadata are names of attributes.
	Metadata    []string `mapstructure:"metadata"`
	Annotations []Field  `mapstructure:"annotations"`
	Labels      []Field  `mapstructure:"labels"`
	// OtelAnnotations adds the pod's annotations resource.opentelemetry.io/<attribute>.
	OtelAnnotations bool `mapstructure:"otel_annotations"`
	// DeploymentNameFromReplicaSet is accepted when true: the name always comes from the pod's owner.
	DeploymentNameFromReplicaSet bool `mapstructure:"deployment_name_from_replicaset"`
}

// Field is a label or an annotation that becomes an attribute.
type Field struct {
	// TagName is the attribute; with KeyRegex it may refer to groups ($1). Empty: k8s.pod.labels.<key> and the like.
	TagName  string `mapstructure:"tag_name"`
	Key      string `mapstructure:"key"`
	KeyRegex string `mapstructure:"key_regex"` // of the whole key
	// From is pod (the default), namespace, node, deployment, statefulset, daemonset or job.
	From string `mapstructure:"from"`
}

// Filter selects pods.
type Filter struct {
	Node           string          `mapstructure:"node"`
	NodeFromEnvVar string          `mapstructure:"node_from_env_var"` // the variable with the node's name
	Namespace      string          `mapstructure:"namespace"`
	Fields         []FieldSelector `mapstructure:"fields"`
	Labels         []FieldSelector `mapstructure:"labels"`
}

// FieldSelector is a condition on a label or field of pods.
type FieldSelector struct {
	Key   string `mapstructure:"key"`
	Value string `mapstructure:"value"`
	Op    string `mapstructure:"op"` // equals (the default), not-equals; of labels also exists, does-not-exist
}

// Association is a way to find a pod: all of its sources must agree.
type Association struct {
	Sources []Source `mapstructure:"sources"`
}

// Source is where a value comes from.
type Source struct {
	From string `mapstructure:"from"` // connection or resource_attribute
	Name string `mapstructure:"name"` // the attribute
}

// Exclude names pods that are left alone.
type Exclude struct {
	Pods []ExcludedPod `mapstructure:"pods"`
}

// ExcludedPod is a regular expression of names.
type ExcludedPod struct {
	Name string `mapstructure:"name"`
}

// The sources of associations.
const (
	fromConnection = "connection"
	fromAttribute  = "resource_attribute"
)

// maxSources is how many sources a way may have, as in the Collector.
const maxSources = 4

// Default is the Collector's; batches wait for the first list.
func Default() *Config {
	return &Config{
		Extract: Extract{
			Metadata: []string{
				"k8s.namespace.name", "k8s.pod.name", "k8s.pod.uid", "k8s.pod.start_time", "k8s.deployment.name", "k8s.node.name",
				"container.image.name", "container.image.tag",
			},
			DeploymentNameFromReplicaSet: true,
		},
		WaitForMetadata: true, WaitForMetadataTimeout: 10 * time.Second,
	}
}

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	errs := []error{c.Access.Validate(), c.Filter.Validate(), c.Extract.Validate()}
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for i, a := range c.Association {
		fault(len(a.Sources) == 0, `"pod_association[%d]::sources" is empty; name at least one source`, i)
		fault(len(a.Sources) > maxSources, `"pod_association[%d]::sources" has %d sources; at most %d are possible`, i, len(a.Sources), maxSources)
		for j, s := range a.Sources {
			place := fmt.Sprintf("pod_association[%d]::sources[%d]", i, j)
			fault(s.From != fromConnection && s.From != fromAttribute, `"%s::from" is %q; write connection or resource_attribute`, place, s.From)
			fault(s.From == fromAttribute && s.Name == "", `"%s::name" is missing; write the resource attribute, such as k8s.pod.uid`, place)
		}
	}
	for i, p := range c.Exclude.Pods {
		_, err := regexp.Compile(p.Name)
		fault(err != nil, `"exclude::pods[%d]::name": %v`, i, err)
		fault(p.Name == "", `"exclude::pods[%d]::name" is empty, which excludes every pod`, i)
	}
	fault(c.WaitForMetadataTimeout < 0 || c.WaitForMetadataTimeout > time.Minute, `"wait_for_metadata_timeout" is %s; write at most 1m`, c.WaitForMetadataTimeout)
	return errors.Join(errs...)
}

// Validate reports faults of what is extracted.
func (x Extract) Validate() error {
	var errs []error
	for i, name := range x.Metadata {
		if !slices.Contains(metadataNames, name) {
			errs = append(errs, fmt.Errorf(`"extract::metadata[%d]" is %q, which is not supported; write some of %s`, i, name, strings.Join(metadataNames, ", ")))
		}
	}
	for _, of := range []struct {
		key  string
		list []Field
	}{{"labels", x.Labels}, {"annotations", x.Annotations}} {
		for i, f := range of.list {
			if err := f.validate(); err != nil {
				errs = append(errs, fmt.Errorf(`"extract::%s[%d]%w`, of.key, i, err))
			}
		}
	}
	if !x.DeploymentNameFromReplicaSet {
		errs = append(errs, errors.New(`"extract::deployment_name_from_replicaset: false" is not supported: no ReplicaSets are watched for names; remove the key, or extract k8s.deployment.uid`))
	}
	return errors.Join(errs...)
}

// validate returns the rest of a message that begins with the place in quotes.
func (f Field) validate() error {
	switch {
	case f.Key != "" && f.KeyRegex != "":
		return errors.New(`" has "key" and "key_regex"; write one of them`)
	case f.Key == "" && f.KeyRegex == "":
		return errors.New(`" has neither "key" nor "key_regex"; write one of them`)
	case f.From != "" && !slices.Contains(origins, f.From):
		return fmt.Errorf(`::from" is %q; write one of %s`, f.From, strings.Join(origins, ", "))
	}
	if _, err := f.expression(); err != nil {
		return fmt.Errorf(`::key_regex": %w`, err)
	}
	return nil
}

func (f Field) expression() (*regexp.Regexp, error) {
	return regexp.Compile("^(?:" + f.KeyRegex + ")$")
}

// Validate reports faults of the selectors.
func (f Filter) Validate() error {
	_, err := f.labels()
	_, ferr := f.fields("")
	if f.Node != "" && f.NodeFromEnvVar != "" {
		err = errors.Join(err, errors.New(`"filter" has "node" and "node_from_env_var"; write one of them`))
	}
	return errors.Join(err, ferr)
}

// oneNode reports whether the pods of one node are looked at: this is an agent.
func (f Filter) oneNode() bool { return f.Node != "" || f.NodeFromEnvVar != "" }

// node is the node's name. It is asked at the start: a configuration is checked elsewhere too.
func (f Filter) node() (string, error) {
	if f.NodeFromEnvVar == "" {
		return f.Node, nil
	}
	if name := os.Getenv(f.NodeFromEnvVar); name != "" {
		return name, nil
	}
	return "", fmt.Errorf(`"filter::node_from_env_var": the environment variable %s is not set: the pod needs it from fieldRef spec.nodeName`, f.NodeFromEnvVar)
}

func (f Filter) labels() (string, error) {
	all := labels.NewSelector()
	for i, s := range f.Labels {
		op, values := selection.Equals, []string{s.Value}
		switch s.Op {
		case "", "equals":
		case "not-equals":
			op = selection.NotEquals
		case "exists":
			op, values = selection.Exists, nil
		case "does-not-exist":
			op, values = selection.DoesNotExist, nil
		default:
			return "", fmt.Errorf(`"filter::labels[%d]::op" is %q; write equals, not-equals, exists or does-not-exist`, i, s.Op)
		}
		r, err := labels.NewRequirement(s.Key, op, values)
		if err != nil {
			return "", fmt.Errorf(`"filter::labels[%d]": %w`, i, err)
		}
		all = all.Add(*r)
	}
	return all.String(), nil
}

func (f Filter) fields(node string) (string, error) {
	var all []fields.Selector
	if node != "" {
		all = append(all, fields.OneTermEqualSelector("spec.nodeName", node))
	}
	for i, s := range f.Fields {
		switch {
		case s.Key == "":
			return "", fmt.Errorf(`"filter::fields[%d]::key" is missing; write a field of pods, such as status.phase`, i)
		case s.Op == "" || s.Op == "equals":
			all = append(all, fields.OneTermEqualSelector(s.Key, s.Value))
		case s.Op == "not-equals":
			all = append(all, fields.OneTermNotEqualSelector(s.Key, s.Value))
		default:
			return "", fmt.Errorf(`"filter::fields[%d]::op" is %q; write equals or not-equals`, i, s.Op)
		}
	}
	return fields.AndSelectors(all...).String(), nil
}

// Component describes the processor.
func Component() pipeline.Component {
	return pipeline.Processor("k8s_attributes", Default, New, pipeline.Signals[:]...).
		WithAliases("k8sattributes").
		WithDoc("adds who a pod is to every resource: names, owners, labels and annotations from the Kubernetes API")
}
