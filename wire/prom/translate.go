package prom

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/wire"
)

// The slow path, from attributes to label sets. It runs once per new series.

const (
	nameLabel     = "__name__"
	jobLabel      = "job"
	instanceLabel = "instance"
	leLabel       = "le"
	quantileLabel = "quantile"
)

const (
	serviceName      = "service.name"
	serviceNamespace = "service.namespace"
	serviceInstance  = "service.instance.id"
)

const targetInfo = "target_info"

func (t *Translator) learnResource(body []byte) *resource {
	r := &resource{id: t.nextID()}
	attributes := func() wire.Attributes { return wire.ResourceAttributes(body) }
	if name, ok := attributes().Find(serviceName); ok {
		r.job = t.string(name)
		if space, ok := attributes().Find(serviceNamespace); ok {
			r.job = t.string(space) + "/" + r.job
		}
	}
	if instance, ok := attributes().Find(serviceInstance); ok {
		r.instance = t.string(instance)
	}
	for a := attributes(); a.Next(); {
		if !t.promotes(string(a.Key())) {
			continue
		}
		if name, err := t.labelName.Build(string(a.Key())); err == nil {
			r.promoted.set(name, t.string(a.Value()))
		}
	}
	if t.cfg.TargetInfo {
		r.info = t.learnInfo(r, attributes())
	}
	return r
}

const scopePrefix = "otel_scope_"

// learnScope makes the labels of the current scope.
// https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#instrumentation-scope-1
func (t *Translator) learnScope() *scope {
	s := &scope{id: t.nextID()}
	in := wire.ParseScope(t.at.scopeBody)
	for a := in.Attributes(); a.Next(); {
		if name, err := t.labelName.Build(scopePrefix + string(a.Key())); err == nil {
			s.labels.set(name, t.string(a.Value()))
		}
	}
	s.labels.set(scopePrefix+"name", string(in.Name))
	s.labels.set(scopePrefix+"version", string(in.Version))
	s.labels.set(scopePrefix+"schema_url", string(t.at.schema))
	return s
}

// promotes reports whether a resource attribute becomes a label of every series.
func (t *Translator) promotes(key string) bool {
	switch {
	case t.promote[key], t.cfg.PromoteAll:
		return true
	case t.cfg.PromoteAllButService:
		return key != serviceName && key != serviceNamespace && key != serviceInstance
	}
	return false
}

// learnInfo returns the labels of a resource's target_info, nil if it has no identity or nothing else. Unlike
// Prometheus, it skips attributes that cannot be labels instead of writing no target_info.
func (t *Translator) learnInfo(r *resource, attributes wire.Attributes) Labels {
	t.collect(attributes, serviceName, serviceNamespace, serviceInstance)
	if len(t.attributes) == 0 {
		return nil
	}
	t.attributes = slices.DeleteFunc(t.attributes, func(p pair) bool {
		_, err := t.labelName.Build(p.name)
		return err != nil
	})
	t.join()
	t.set.set(jobLabel, cmp.Or(r.job, t.set.get(jobLabel)))
	t.set.set(instanceLabel, cmp.Or(r.instance, t.set.get(instanceLabel)))
	t.addExternal()
	if t.set.get(jobLabel) == "" && t.set.get(instanceLabel) == "" {
		return nil // nothing could be joined with it
	}
	t.set.set(nameLabel, targetInfo)
	return t.set.appendTo(nil)
}

// collect gathers attributes, sorted by key; equal keys keep their order.
func (t *Translator) collect(attributes wire.Attributes, without ...string) {
	t.attributes = t.attributes[:0]
	for attributes.Next() {
		if key := string(attributes.Key()); !slices.Contains(without, key) {
			t.attributes = append(t.attributes, pair{key, t.string(attributes.Value())})
		}
	}
	slices.SortStableFunc(t.attributes, func(a, b pair) int { return strings.Compare(a.name, b.name) })
}

// join turns attributes into labels. If several get one name, their values are joined by semicolons in key order,
// as in the OpenTelemetry specification.
func (t *Translator) join() Why {
	for i := range t.attributes {
		name, err := t.labelName.Build(t.attributes[i].name)
		if err != nil {
			return WhyLabel
		}
		t.attributes[i].name = name
	}
	slices.SortStableFunc(t.attributes, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	t.set = t.set[:0]
	for _, a := range t.attributes {
		last := len(t.set) - 1
		switch {
		case last < 0 || t.set[last].name != a.name:
			t.set = append(t.set, a)
		case t.set[last].value == "":
			t.set[last].value = a.value
		default:
			t.set[last].value += ";" + a.value
		}
	}
	t.dropEmpty()
	return 0
}

// dropEmpty removes empty labels, which Prometheus treats as absent.
func (t *Translator) dropEmpty() {
	t.set = slices.DeleteFunc(t.set, func(p pair) bool { return p.value == "" })
}

func (t *Translator) addExternal() {
	for _, p := range t.external {
		t.set.setAbsent(p.name, p.value)
	}
}

// learnLabels fills the scratch set with the labels of a point, without the name.
func (t *Translator) learnLabels(attributes wire.Attributes) Why {
	if t.at.metric.verbatim {
		return t.learnVerbatim(t.at.scope, attributes)
	}
	r := t.at.resource
	t.collect(attributes, nameLabel)
	if why := t.join(); why != 0 {
		return why
	}
	if t.at.within != nil {
		for _, p := range t.at.within.labels {
			t.set.set(p.name, p.value)
		}
	}
	for _, p := range r.promoted {
		t.set.setAbsent(p.name, p.value)
	}
	if r.job != "" {
		t.set.set(jobLabel, r.job)
	}
	if r.instance != "" {
		t.set.set(instanceLabel, r.instance)
	}
	t.addExternal()
	return 0
}

// learnVerbatim is learnLabels for a scraped metric: exposed labels over the target's. Of a repeated key the last
// counts.
func (t *Translator) learnVerbatim(s *scope, attributes wire.Attributes) Why {
	t.collect(attributes, nameLabel)
	t.set = t.set[:0]
	for _, a := range t.attributes {
		if a.name == "" {
			return WhyLabel
		}
		if last := len(t.set) - 1; last >= 0 && t.set[last].name == a.name {
			t.set[last] = a
			continue
		}
		t.set = append(t.set, a)
	}
	// Before dropEmpty: a label exposed as empty removes the base label.
	t.set.setAbsent(jobLabel, s.job)
	t.set.setAbsent(instanceLabel, s.instance)
	t.dropEmpty()
	t.addExternal()
	return 0
}

// hold stores the scratch set as the next series of the point.
func (t *Translator) hold(suffix string) {
	to := t.points.cur
	t.set.set(nameLabel, t.at.metric.family.Name+suffix)
	t.text = t.set.appendTo(t.text[:0])
	to.series = append(to.series, series{labels: to.bytes.hold(t.text), size: uint32(len(t.text))})
}

// formatFloat writes a bucket bound or quantile as Prometheus 3 does: "1.0", "0.5", "1e-05", "+Inf".
func formatFloat(f float64) string {
	if math.IsInf(f, 1) {
		return "+Inf"
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if strings.ContainsAny(s, "eIN.") {
		return s
	}
	return s + ".0"
}
