package filter

import (
	"fmt"

	"github.com/sluiceio/sluice/ottl/properties"
)

// Spans are the older form for spans.
type Spans struct {
	Include *properties.SpanMatch `mapstructure:"include"`
	Exclude *properties.SpanMatch `mapstructure:"exclude"`
}

// dropsWhen says when to drop: what an include does not match, or what an exclude matches.
func dropsWhen(m *properties.Matcher, include bool) string {
	c := m.Condition()
	if c != "" && include {
		return "not " + c
	}
	return c
}

// A rule is one condition of the older form.
type rule struct{ context, path, condition string }

// rules are the conditions of a part that includes or excludes by properties.
func rules(context, path string, include, exclude *properties.Matcher, errs *[]error) (out []rule) {
	for i, m := range []*properties.Matcher{include, exclude} {
		if m == nil {
			continue
		}
		name := []string{path + ".include", path + ".exclude"}[i]
		*errs = append(*errs, m.Errs...)
		if c := dropsWhen(m, i == 0); c != "" {
			out = append(out, rule{context, name, c})
		}
	}
	return out
}

func (l *Logs) rules(errs *[]error) []rule {
	var in, ex *properties.Matcher
	if l.Include != nil {
		in = l.Include.Matcher("logs.include")
	}
	if l.Exclude != nil {
		ex = l.Exclude.Matcher("logs.exclude")
	}
	return rules("log", "logs", in, ex, errs)
}

func (s *Spans) rules(errs *[]error) []rule {
	var in, ex *properties.Matcher
	if s.Include != nil {
		in = s.Include.Matcher("spans.include")
	}
	if s.Exclude != nil {
		ex = s.Exclude.Matcher("spans.exclude")
	}
	for _, m := range []*properties.Matcher{in, ex} {
		if m != nil && m.Condition() == "" && len(m.Errs) == 0 {
			m.Errs = append(m.Errs, fmt.Errorf("%q asks nothing; write services, span_names, span_kinds, attributes, resources or libraries", m.Path()))
		}
	}
	return rules("span", "spans", in, ex, errs)
}

// rules of metrics ask the name and the resource each for itself, as the Collector does.
func (m *Metrics) rules(errs *[]error) []rule {
	var names, resources [2]*properties.Matcher
	for i, x := range []*properties.MetricMatch{m.Include, m.Exclude} {
		if x == nil {
			continue
		}
		path := []string{"metrics.include", "metrics.exclude"}[i]
		names[i] = properties.NewMatcher(path, x.MatchType)
		names[i].Texts("name", "metric_names", x.MetricNames)
		resources[i] = names[i].Resource()
		resources[i].Attributes("attributes", "resource_attributes", x.ResourceAttributes)
	}
	return append(rules("resource", "metrics", resources[0], resources[1], errs), rules("metric", "metrics", names[0], names[1], errs)...)
}
