package filter

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The older form: include and exclude with properties. It is translated into conditions.

// Attribute is a key, and the value that it must have, if any.
type Attribute struct {
	Key   string `mapstructure:"key"`
	Value any    `mapstructure:"value"`
}

// LogMatch are properties of logs, all of which must match.
type LogMatch struct {
	MatchType          string          `mapstructure:"match_type"`
	ResourceAttributes []Attribute     `mapstructure:"resource_attributes"`
	RecordAttributes   []Attribute     `mapstructure:"record_attributes"`
	SeverityTexts      []string        `mapstructure:"severity_texts"`
	SeverityNumber     *SeverityNumber `mapstructure:"severity_number"`
	Bodies             []string        `mapstructure:"bodies"`
}

// SeverityNumber is the least severity.
type SeverityNumber struct {
	Min            string `mapstructure:"min"`
	MatchUndefined bool   `mapstructure:"match_undefined"`
}

// MetricMatch are properties of metrics.
type MetricMatch struct {
	MatchType          string         `mapstructure:"match_type"`
	Regexp             map[string]any `mapstructure:"regexp"` // settings of a cache that there is not
	MetricNames        []string       `mapstructure:"metric_names"`
	ResourceAttributes []Attribute    `mapstructure:"resource_attributes"`
}

// SpanMatch are properties of spans, all of which must match.
type SpanMatch struct {
	MatchType  string         `mapstructure:"match_type"`
	Regexp     map[string]any `mapstructure:"regexp"`
	Services   []string       `mapstructure:"services"`
	SpanNames  []string       `mapstructure:"span_names"`
	SpanKinds  []string       `mapstructure:"span_kinds"`
	Attributes []Attribute    `mapstructure:"attributes"`
	Resources  []Attribute    `mapstructure:"resources"`
	Libraries  []Library      `mapstructure:"libraries"`
}

// Library is an instrumentation scope.
type Library struct {
	Name    string  `mapstructure:"name"`
	Version *string `mapstructure:"version"`
}

// A matcher collects the conditions of one include or exclude.
type matcher struct {
	path   string
	regexp bool
	all    []string
	errs   []error
}

func newMatcher(path, matchType string) *matcher {
	m := &matcher{path: path, regexp: matchType == "regexp"}
	if matchType != "regexp" && matchType != "strict" {
		m.errs = append(m.errs, fmt.Errorf("%q is %q; write strict or regexp, or conditions in OTTL", path+".match_type", matchType))
	}
	return m
}

// one is the condition that what a path gives matches one text.
func (m *matcher) one(path, key, text string) string {
	if !m.regexp {
		return path + " == " + strconv.Quote(text)
	}
	if _, err := regexp.Compile(text); err != nil {
		m.errs = append(m.errs, fmt.Errorf("%q: %q is no regular expression: %w", m.path+"."+key, text, err))
		return "true"
	}
	return "IsMatch(" + path + ", " + strconv.Quote(text) + ")"
}

// texts asks that one of the texts matches; none asks nothing.
func (m *matcher) texts(path, key string, texts []string) {
	m.any(path, key, texts, func(string) string { return "" })
}

func (m *matcher) any(path, key string, texts []string, also func(string) string) {
	var list []string
	for _, t := range texts {
		list = append(list, m.one(path, key, t))
		if c := also(t); c != "" {
			list = append(list, c)
		}
	}
	if len(list) > 0 {
		m.all = append(m.all, "("+strings.Join(list, " or ")+")")
	}
}

// attributes asks that all of them match.
func (m *matcher) attributes(path, key string, list []Attribute) {
	for i, a := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		if a.Key == "" {
			m.errs = append(m.errs, fmt.Errorf("%q: \"key\" is missing; write the attribute's name", m.path+"."+at))
			continue
		}
		p := path + "[" + strconv.Quote(a.Key) + "]"
		text, isText := a.Value.(string)
		switch v := a.Value.(type) {
		case nil:
			m.all = append(m.all, p+" != nil")
			continue
		case bool:
			text = fmt.Sprintf("%s == %t", p, v)
		case int, int64:
			text = fmt.Sprintf("(IsInt(%s) and %s == %d)", p, p, v)
		case float64:
			number := strconv.FormatFloat(v, 'f', -1, 64)
			if !strings.Contains(number, ".") {
				number += ".0"
			}
			text = fmt.Sprintf("(IsDouble(%s) and %s == %s)", p, p, number)
		case string:
			text = m.one(p, at, text)
			if m.regexp {
				text = fmt.Sprintf("(IsString(%s) or IsInt(%s) or IsDouble(%s) or IsBool(%s)) and %s", p, p, p, p, text)
			}
		default:
			m.errs = append(m.errs, fmt.Errorf("%q is a %T; write a text, a bool or a number", m.path+"."+at+".value", v))
			continue
		}
		if m.regexp && !isText {
			m.errs = append(m.errs, fmt.Errorf("%q is a %T; with match_type regexp write a text", m.path+"."+at+".value", a.Value))
			continue
		}
		m.all = append(m.all, text)
	}
}

// condition says when to drop: what an include does not match, or what an exclude matches. Empty asks nothing.
func (m *matcher) condition(include bool) string {
	if len(m.all) == 0 {
		return ""
	}
	c := "(" + strings.Join(m.all, " and ") + ")"
	if include {
		return "not " + c
	}
	return c
}

var severities = strings.Fields("TRACE TRACE2 TRACE3 TRACE4 DEBUG DEBUG2 DEBUG3 DEBUG4 INFO INFO2 INFO3 INFO4 " +
	"WARN WARN2 WARN3 WARN4 ERROR ERROR2 ERROR3 ERROR4 FATAL FATAL2 FATAL3 FATAL4")

func (l *LogMatch) matcher(path string) *matcher {
	m := newMatcher(path, l.MatchType)
	m.attributes("resource.attributes", "resource_attributes", l.ResourceAttributes)
	m.attributes("attributes", "record_attributes", l.RecordAttributes)
	m.texts("severity_text", "severity_texts", l.SeverityTexts)
	m.texts("body.string", "bodies", l.Bodies)
	if s := l.SeverityNumber; s != nil {
		least := slices.Index(severities, strings.ToUpper(s.Min)) + 1
		if n, err := strconv.Atoi(s.Min); err == nil && n >= 1 && n <= len(severities) {
			least = n
		}
		if least == 0 && s.Min != "" {
			m.errs = append(m.errs, fmt.Errorf("%q is %q; write one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL, or 1 to 24", path+".severity_number.min", s.Min))
		}
		undefined := " and severity_number != 0"
		if s.MatchUndefined {
			undefined = " or severity_number == 0"
		}
		m.all = append(m.all, fmt.Sprintf("(severity_number >= %d%s)", least, undefined))
	}
	return m
}

// unnamed is what the Collector calls a service without a name.
const unnamed = "<nil-service-name>"

func (s *SpanMatch) matcher(path string) *matcher {
	m := newMatcher(path, s.MatchType)
	const service = `resource.attributes["service.name"]`
	m.any(service, "services", s.Services, func(text string) string {
		if re, err := regexp.Compile(text); text == unnamed || m.regexp && err == nil && re.MatchString(unnamed) {
			return service + " == nil"
		}
		return ""
	})
	m.texts("name", "span_names", s.SpanNames)
	m.texts("kind.deprecated_string", "span_kinds", s.SpanKinds)
	m.attributes("attributes", "attributes", s.Attributes)
	m.attributes("resource.attributes", "resources", s.Resources)
	for i, l := range s.Libraries {
		at := fmt.Sprintf("libraries[%d]", i)
		m.texts("instrumentation_scope.name", at+".name", []string{l.Name})
		if l.Version != nil {
			m.texts("instrumentation_scope.version", at+".version", []string{*l.Version})
		}
	}
	return m
}

// Spans are the older form for spans.
type Spans struct {
	Include *SpanMatch `mapstructure:"include"`
	Exclude *SpanMatch `mapstructure:"exclude"`
}

// A rule is one condition of the older form.
type rule struct{ context, path, condition string }

// rules are the conditions of a part that includes or excludes by properties.
func rules(context, path string, include, exclude *matcher, errs *[]error) (out []rule) {
	for i, m := range []*matcher{include, exclude} {
		if m == nil {
			continue
		}
		name := []string{path + ".include", path + ".exclude"}[i]
		*errs = append(*errs, m.errs...)
		if c := m.condition(i == 0); c != "" {
			out = append(out, rule{context, name, c})
		}
	}
	return out
}

func (l *Logs) rules(errs *[]error) []rule {
	var in, ex *matcher
	if l.Include != nil {
		in = l.Include.matcher("logs.include")
	}
	if l.Exclude != nil {
		ex = l.Exclude.matcher("logs.exclude")
	}
	return rules("log", "logs", in, ex, errs)
}

func (s *Spans) rules(errs *[]error) []rule {
	var in, ex *matcher
	if s.Include != nil {
		in = s.Include.matcher("spans.include")
	}
	if s.Exclude != nil {
		ex = s.Exclude.matcher("spans.exclude")
	}
	for _, m := range []*matcher{in, ex} {
		if m != nil && len(m.all) == 0 && len(m.errs) == 0 {
			m.errs = append(m.errs, fmt.Errorf("%q asks nothing; write services, span_names, span_kinds, attributes, resources or libraries", m.path))
		}
	}
	return rules("span", "spans", in, ex, errs)
}

// rules of metrics ask the name and the resource each for itself, as the Collector does.
func (m *Metrics) rules(errs *[]error) []rule {
	var names, resources [2]*matcher
	for i, x := range []*MetricMatch{m.Include, m.Exclude} {
		if x == nil {
			continue
		}
		path := []string{"metrics.include", "metrics.exclude"}[i]
		names[i] = newMatcher(path, x.MatchType)
		names[i].texts("name", "metric_names", x.MetricNames)
		resources[i] = &matcher{path: path, regexp: names[i].regexp}
		resources[i].attributes("attributes", "resource_attributes", x.ResourceAttributes)
	}
	return append(rules("resource", "metrics", resources[0], resources[1], errs), rules("metric", "metrics", names[0], names[1], errs)...)
}
