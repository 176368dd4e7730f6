// Package properties is the Collector's older way to choose records, include and exclude with match_type strict or regexp,
// translated into conditions in OTTL.
package properties

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

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

// A Matcher collects the conditions of one include or exclude.
type Matcher struct {
	path   string
	regexp bool
	all    []string
	Errs   []error // what is wrong in it, with its key
}

// NewMatcher makes one for a key.
func NewMatcher(path, matchType string) *Matcher {
	m := &Matcher{path: path, regexp: matchType == "regexp"}
	if matchType != "regexp" && matchType != "strict" {
		m.Errs = append(m.Errs, fmt.Errorf("%q is %q; write strict or regexp, or conditions in OTTL", path+".match_type", matchType))
	}
	return m
}

// one is the condition that what a path gives matches one text.
func (m *Matcher) one(path, key, text string) string {
	if !m.regexp {
		return path + " == " + strconv.Quote(text)
	}
	if _, err := regexp.Compile(text); err != nil {
		m.Errs = append(m.Errs, fmt.Errorf("%q: %q is no regular expression: %w", m.path+"."+key, text, err))
		return "true"
	}
	return "IsMatch(" + path + ", " + strconv.Quote(text) + ")"
}

// Texts asks that one of the texts matches; none asks nothing.
func (m *Matcher) Texts(path, key string, texts []string) {
	m.any(path, key, texts, func(string) string { return "" })
}

func (m *Matcher) any(path, key string, texts []string, also func(string) string) {
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

// Attributes asks that all of them match.
func (m *Matcher) Attributes(path, key string, list []Attribute) {
	for i, a := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		if a.Key == "" {
			m.Errs = append(m.Errs, fmt.Errorf("%q: \"key\" is missing; write the attribute's name", m.path+"."+at))
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
			m.Errs = append(m.Errs, fmt.Errorf("%q is a %T; write a text, a bool or a number", m.path+"."+at+".value", v))
			continue
		}
		if m.regexp && !isText {
			m.Errs = append(m.Errs, fmt.Errorf("%q is a %T; with match_type regexp write a text", m.path+"."+at+".value", a.Value))
			continue
		}
		m.all = append(m.all, text)
	}
}

// Condition holds for what matches. Empty asks nothing.
func (m *Matcher) Condition() string {
	if len(m.all) == 0 {
		return ""
	}
	return "(" + strings.Join(m.all, " and ") + ")"
}

// Path is the key of the include or exclude.
func (m *Matcher) Path() string { return m.path }

// Resource is a matcher of the same kind, of the same key.
func (m *Matcher) Resource() *Matcher { return &Matcher{path: m.path, regexp: m.regexp} }

var severities = strings.Fields("TRACE TRACE2 TRACE3 TRACE4 DEBUG DEBUG2 DEBUG3 DEBUG4 INFO INFO2 INFO3 INFO4 " +
	"WARN WARN2 WARN3 WARN4 ERROR ERROR2 ERROR3 ERROR4 FATAL FATAL2 FATAL3 FATAL4")

// Matcher reads the properties under a key.
func (l *LogMatch) Matcher(path string) *Matcher {
	m := NewMatcher(path, l.MatchType)
	m.Attributes("resource.attributes", "resource_attributes", l.ResourceAttributes)
	m.Attributes("attributes", "record_attributes", l.RecordAttributes)
	m.Texts("severity_text", "severity_texts", l.SeverityTexts)
	m.Texts("body.string", "bodies", l.Bodies)
	if s := l.SeverityNumber; s != nil {
		least := slices.Index(severities, strings.ToUpper(s.Min)) + 1
		if n, err := strconv.Atoi(s.Min); err == nil && n >= 1 && n <= len(severities) {
			least = n
		}
		if least == 0 && s.Min != "" {
			m.Errs = append(m.Errs, fmt.Errorf("%q is %q; write one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL, or 1 to 24", path+".severity_number.min", s.Min))
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

// Matcher reads the properties under a key.
func (s *SpanMatch) Matcher(path string) *Matcher {
	m := NewMatcher(path, s.MatchType)
	const service = `resource.attributes["service.name"]`
	m.any(service, "services", s.Services, func(text string) string {
		if re, err := regexp.Compile(text); text == unnamed || m.regexp && err == nil && re.MatchString(unnamed) {
			return service + " == nil"
		}
		return ""
	})
	m.Texts("name", "span_names", s.SpanNames)
	m.Texts("kind.deprecated_string", "span_kinds", s.SpanKinds)
	m.Attributes("attributes", "attributes", s.Attributes)
	m.Attributes("resource.attributes", "resources", s.Resources)
	for i, l := range s.Libraries {
		at := fmt.Sprintf("libraries[%d]", i)
		m.Texts("instrumentation_scope.name", at+".name", []string{l.Name})
		if l.Version != nil {
			m.Texts("instrumentation_scope.version", at+".version", []string{*l.Version})
		}
	}
	return m
}

// And asks what another one asks, too.
func (m *Matcher) And(other *Matcher) {
	m.all = append(m.all, other.all...)
	for _, err := range other.Errs {
		if !slices.ContainsFunc(m.Errs, func(e error) bool { return e.Error() == err.Error() }) {
			m.Errs = append(m.Errs, err)
		}
	}
}
