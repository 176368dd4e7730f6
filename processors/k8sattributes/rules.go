package k8sattributes

import (
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluiceio/sluice/kube"
)

// metadataNames are what extract::metadata may name.
var metadataNames = []string{
	"k8s.namespace.name", "k8s.pod.name", "k8s.pod.uid", "k8s.pod.hostname", "k8s.pod.start_time", "k8s.pod.ip",
	"k8s.deployment.name", "k8s.deployment.uid", "k8s.replicaset.name", "k8s.replicaset.uid", "k8s.daemonset.name", "k8s.daemonset.uid",
	"k8s.statefulset.name", "k8s.statefulset.uid", "k8s.job.name", "k8s.job.uid", "k8s.cronjob.name", "k8s.cronjob.uid",
	"k8s.node.name", "k8s.node.uid", "k8s.cluster.uid", "k8s.container.name", "container.id", "container.image.name",
	"container.image.tag", "container.image.tags", "container.image.repo_digests",
	"service.namespace", "service.name", "service.version", "service.instance.id",
}

// origins are the objects that labels and annotations may come from.
var origins = []string{"pod", "namespace", "node", "deployment", "statefulset", "daemonset", "job"}

// otelAnnotation is the prefix of annotations that are named like attributes.
// https://opentelemetry.io/docs/specs/semconv/non-normative/k8s-attributes/
const otelAnnotation = "resource.opentelemetry.io/"

// fieldRule is a compiled Field.
type fieldRule struct {
	Field
	expression *regexp.Regexp // nil for an exact key
	prefix     string         // of attributes without a name of their own
	labels     bool           // else annotations
}

// rules are what is added, compiled.
type rules struct {
	metadata map[string]bool
	fields   []fieldRule // labels first: annotations win
	exclude  []*regexp.Regexp
}

func newRules(c *Config) (*rules, error) {
	r := &rules{metadata: map[string]bool{}}
	for _, name := range c.Extract.Metadata {
		r.metadata[name] = true
	}
	annotations := c.Extract.Annotations
	if c.Extract.OtelAnnotations {
		annotations = append(slices.Clone(annotations), Field{KeyRegex: regexp.QuoteMeta(otelAnnotation) + "(.+)", TagName: "$1"})
	}
	for i, f := range append(slices.Clone(c.Extract.Labels), annotations...) {
		isLabel := i < len(c.Extract.Labels)
		if f.From == "" {
			f.From = "pod"
		}
		rule := fieldRule{Field: f, prefix: prefix(f.From, isLabel), labels: isLabel}
		if f.KeyRegex != "" {
			expression, err := f.expression()
			if err != nil {
				return nil, err
			}
			rule.expression = expression
		}
		r.fields = append(r.fields, rule)
	}
	excluded := c.Exclude.Pods
	if len(excluded) == 0 { // the Collector's default
		excluded = []ExcludedPod{{"jaeger-agent"}, {"jaeger-collector"}}
	}
	for _, p := range excluded {
		expression, err := regexp.Compile(p.Name)
		if err != nil {
			return nil, err
		}
		r.exclude = append(r.exclude, expression)
	}
	return r, nil
}

// prefix is of the Collector's names: those of workloads are newer and have the singular.
func prefix(from string, labels bool) string {
	kind := "annotation"
	if labels {
		kind = "label"
	}
	switch from {
	case "pod", "namespace", "node":
		kind += "s"
	}
	return "k8s." + from + "." + kind + "."
}

// from reports whether labels or annotations of an object are asked for.
func (r *rules) from(origin string) bool {
	return slices.ContainsFunc(r.fields, func(f fieldRule) bool { return f.From == origin })
}

// attributes are what is to be added, in order of arrival; a later value of a name replaces the earlier one.
type attributes struct {
	list    []attribute
	replace string // the one name that is replaced where a resource has it
}

type attribute struct {
	key, value string
	isList     bool // a list with the value as its only element
}

func (a *attributes) set(key, value string) {
	if value == "" || key == "" {
		return
	}
	for i := range a.list {
		if a.list[i].key == key {
			a.list[i].value = value
			return
		}
	}
	a.list = append(a.list, attribute{key: key, value: value})
}

// extract adds what the rules take from the labels or annotations of an object.
func (r *rules) extract(a *attributes, origin string, labels, annotations map[string]string) {
	for _, f := range r.fields {
		if f.From != origin {
			continue
		}
		from := annotations
		if f.labels {
			from = labels
		}
		f.extract(a, from)
	}
}

func (f *fieldRule) extract(a *attributes, from map[string]string) {
	if f.expression == nil {
		name := f.TagName
		if name == "" {
			name = f.prefix + f.Key
		}
		a.set(name, from[f.Key])
		return
	}
	keys := make([]string, 0, len(from))
	for key := range from {
		keys = append(keys, key)
	}
	slices.Sort(keys) // two keys may make one name: always the same wins
	for _, key := range keys {
		match := f.expression.FindStringSubmatchIndex(key)
		switch {
		case match == nil:
		case f.TagName != "" && f.expression.NumSubexp() > 0:
			a.set(string(f.expression.ExpandString(nil, f.TagName, key, match)), from[key])
		default:
			a.set(f.prefix+key, from[key])
		}
	}
}

// ignoreAnnotation excludes a pod, as in the Collector.
const ignoreAnnotation = "opentelemetry.io/k8s-processor/ignore"

func (r *rules) excludes(p *kube.Pod) bool {
	if strings.EqualFold(strings.TrimSpace(p.Annotations[ignoreAnnotation]), "true") {
		return true
	}
	return slices.ContainsFunc(r.exclude, func(e *regexp.Regexp) bool { return e.MatchString(p.Name) })
}

// pod adds what is known of a pod from the pod alone.
func (r *rules) pod(a *attributes, p *kube.Pod) {
	add := func(name, value string) {
		if r.metadata[name] {
			a.set(name, value)
		}
	}
	add("k8s.namespace.name", p.Namespace)
	add("k8s.pod.name", p.Name)
	add("k8s.pod.uid", p.UID)
	add("k8s.pod.hostname", p.Hostname)
	if len(p.IPs) > 0 {
		add("k8s.pod.ip", p.IPs[0])
	}
	if !p.Created.IsZero() {
		add("k8s.pod.start_time", p.Created.UTC().Format(time.RFC3339))
	}
	add("k8s.node.name", p.Node)
	add("service.namespace", p.Namespace)
	add("service.name", p.Name)

	if kind := strings.ToLower(p.Owner.Kind); slices.Contains([]string{"replicaset", "daemonset", "statefulset", "job"}, kind) {
		add("k8s."+kind+".name", p.Owner.Name)
		add("k8s."+kind+".uid", p.Owner.UID)
		add("service.name", p.Owner.Name)
	}
	for name, value := range map[string]string{"k8s.deployment.name": p.Deployment(), "k8s.cronjob.name": p.CronJob()} {
		add(name, value)
		add("service.name", value)
	}
	r.labelsAndAnnotations(a, p)
}

// labelsAndAnnotations: for a service's name, what a person wrote wins over what controllers named. The order is that of
// https://opentelemetry.io/docs/specs/semconv/non-normative/k8s-attributes/
func (r *rules) labelsAndAnnotations(a *attributes, p *kube.Pod) {
	for _, f := range r.fields {
		if f.From == "pod" && f.labels {
			f.extract(a, p.Labels)
		}
	}
	if r.metadata["service.name"] {
		a.set("service.name", p.Labels["app.kubernetes.io/name"])
		a.set("service.name", p.Labels["app.kubernetes.io/instance"])
	}
	if r.metadata["service.version"] {
		a.set("service.version", p.Labels["app.kubernetes.io/version"])
	}
	for _, f := range r.fields {
		if f.From == "pod" && !f.labels {
			f.extract(a, p.Annotations)
		}
	}
}

func (r *rules) object(a *attributes, origin string, o *metav1.PartialObjectMetadata) {
	if o != nil {
		r.extract(a, origin, o.Labels, o.Annotations)
	}
}
