package attributes

import (
	"fmt"
	"strings"

	"github.com/sluiceio/sluice/ottl/properties"
	"github.com/sluiceio/sluice/pipeline"
)

// Match are properties of records, all of which must match. A key that the pipeline's signal does not have asks nothing.
type Match struct {
	MatchType   string                 `mapstructure:"match_type"`
	Regexp      map[string]any         `mapstructure:"regexp"` // settings of a cache that there is not
	Services    []string               `mapstructure:"services"`
	SpanNames   []string               `mapstructure:"span_names"`
	SpanKinds   []string               `mapstructure:"span_kinds"`
	LogBodies   []string               `mapstructure:"log_bodies"`
	LogSeverity []string               `mapstructure:"log_severity_texts"`
	LogNumber   *Severity              `mapstructure:"log_severity_number"`
	MetricNames []string               `mapstructure:"metric_names"`
	Attributes  []properties.Attribute `mapstructure:"attributes"`
	Resources   []properties.Attribute `mapstructure:"resources"`
	Libraries   []properties.Library   `mapstructure:"libraries"`
}

// Severity is the least severity: 1 to 24, or a name.
type Severity struct {
	Min            any  `mapstructure:"min"`
	MatchUndefined bool `mapstructure:"match_undefined"`
}

// matcher is for a signal.
func (m *Match) matcher(key string, s pipeline.Signal) *properties.Matcher {
	span := properties.SpanMatch{MatchType: m.MatchType, Services: m.Services, Resources: m.Resources, Attributes: m.Attributes, Libraries: m.Libraries}
	if s == pipeline.Traces {
		span.SpanNames, span.SpanKinds = m.SpanNames, m.SpanKinds
	}
	out := span.Matcher(key)
	switch s {
	case pipeline.Logs:
		logs := properties.LogMatch{MatchType: m.MatchType, SeverityTexts: m.LogSeverity, Bodies: m.LogBodies}
		if n := m.LogNumber; n != nil {
			logs.SeverityNumber = &properties.SeverityNumber{Min: fmt.Sprint(n.Min), MatchUndefined: n.MatchUndefined}
		}
		out.And(logs.Matcher(key))
	case pipeline.Metrics:
		out.Texts("metric.name", "metric_names", m.MetricNames)
	}
	return out
}

// condition is what a record must be for its attributes to change; empty for any.
func (c *Config) condition(s pipeline.Signal) (string, []error) {
	var all []string
	var errs []error
	if c.Include != nil {
		m := c.Include.matcher("include", s)
		errs = append(errs, m.Errs...)
		if text := m.Condition(); text != "" {
			all = append(all, text)
		}
	}
	if c.Exclude != nil {
		m := c.Exclude.matcher("exclude", s)
		errs = append(errs, m.Errs...)
		if text := m.Condition(); text != "" {
			all = append(all, "not "+text)
		}
	}
	return strings.Join(all, " and "), errs
}
