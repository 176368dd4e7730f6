package ottl

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/ottl/syntax"
	"github.com/sluiceio/sluice/wire"
)

// A Context is what statements run for.
type Context uint8

// The contexts, from the outside to the inside.
const (
	Resource Context = iota
	Scope
	Metric
	DataPoint
	Span
	SpanEvent
	Log
	contexts
)

var contextNames = [contexts]string{"resource", "scope", "metric", "datapoint", "span", "spanevent", "log"}

func (c Context) String() string { return contextNames[c] }

// ParseContext finds a context by its name.
func ParseContext(name string) (Context, bool) {
	i := slices.Index(contextNames[:], strings.ToLower(name))
	return Context(max(i, 0)), i >= 0
}

// reach are the messages that paths reach in a context, by their prefix.
var reach = [contexts]map[string]slot{
	Resource:  {"resource": slotResource},
	Scope:     {"scope": slotScope, "resource": slotResource},
	Metric:    {"metric": slotItem, "scope": slotScope, "resource": slotResource},
	DataPoint: {"datapoint": slotItem, "metric": slotMetric, "scope": slotScope, "resource": slotResource},
	Span:      {"span": slotItem, "scope": slotScope, "resource": slotResource},
	SpanEvent: {"spanevent": slotItem, "span": slotSpan, "scope": slotScope, "resource": slotResource},
	Log:       {"log": slotItem, "scope": slotScope, "resource": slotResource},
}

// A field makes the place of a path in a message's slot; keyed the one behind keys, and is nil if there can be none.
type field struct {
	plain func(slot) place
	keyed func(slot, []key) place
}

func text(number int) field { return field{plain: func(s slot) place { return textField(s, number) }} }
func whole(number int, e encoding) field {
	return field{plain: func(s slot) place { return intField(s, number, e) }}
}
func instant(number int) field {
	return field{plain: func(s slot) place { return timeField(s, number) }}
}
func id(number int, k kind) field {
	return field{plain: func(s slot) place { return idField(s, number, k) }}
}
func idText(number int, k kind) field {
	return field{plain: func(s slot) place { return idTextField(s, number, k) }}
}

var attributesField = field{attributes, attribute}

// fields are the paths below a prefix.
var fields = map[string]map[string]field{
	"resource": {
		"attributes":               attributesField,
		"dropped_attributes_count": whole(wire.FieldResourceDroppedAttributes, count32),
		"schema_url":               {plain: schemaURL},
	},
	"scope": {
		"attributes":               attributesField,
		"name":                     text(wire.FieldScopeName),
		"version":                  text(wire.FieldScopeVersion),
		"dropped_attributes_count": whole(wire.FieldScopeDroppedAttributes, count32),
		"schema_url":               {plain: schemaURL},
	},
	"log": {
		"attributes":               attributesField,
		"body":                     {body, bodyAt},
		"body.string":              {plain: bodyText},
		"time_unix_nano":           whole(wire.FieldLogTime, fixed64),
		"observed_time_unix_nano":  whole(wire.FieldLogObservedTime, fixed64),
		"time":                     instant(wire.FieldLogTime),
		"observed_time":            instant(wire.FieldLogObservedTime),
		"severity_number":          whole(wire.FieldLogSeverityNumber, enum),
		"severity_text":            text(wire.FieldLogSeverityText),
		"dropped_attributes_count": whole(wire.FieldLogDroppedAttributes, count32),
		"flags":                    whole(wire.FieldLogFlags, flags32),
		"trace_id":                 id(wire.FieldLogTraceID, kindTraceID),
		"trace_id.string":          idText(wire.FieldLogTraceID, kindTraceID),
		"span_id":                  id(wire.FieldLogSpanID, kindSpanID),
		"span_id.string":           idText(wire.FieldLogSpanID, kindSpanID),
		"event_name":               text(wire.FieldLogEventName),
	},
	"span": {
		"attributes":               attributesField,
		"trace_id":                 id(wire.FieldSpanTraceID, kindTraceID),
		"trace_id.string":          idText(wire.FieldSpanTraceID, kindTraceID),
		"span_id":                  id(wire.FieldSpanSpanID, kindSpanID),
		"span_id.string":           idText(wire.FieldSpanSpanID, kindSpanID),
		"parent_span_id":           id(wire.FieldSpanParentSpanID, kindSpanID),
		"parent_span_id.string":    idText(wire.FieldSpanParentSpanID, kindSpanID),
		"trace_state":              text(wire.FieldSpanTraceState),
		"name":                     text(wire.FieldSpanName),
		"kind":                     whole(wire.FieldSpanKind, enum),
		"kind.string":              {plain: spanKindText("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")},
		"kind.deprecated_string":   {plain: spanKindText("SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER")},
		"start_time_unix_nano":     whole(wire.FieldSpanStart, fixed64),
		"end_time_unix_nano":       whole(wire.FieldSpanEnd, fixed64),
		"start_time":               instant(wire.FieldSpanStart),
		"end_time":                 instant(wire.FieldSpanEnd),
		"dropped_attributes_count": whole(wire.FieldSpanDroppedAttributes, count32),
		"dropped_events_count":     whole(wire.FieldSpanDroppedEvents, count32),
		"dropped_links_count":      whole(wire.FieldSpanDroppedLinks, count32),
		"flags":                    whole(wire.FieldSpanFlags, flags32),
		"status.code":              {plain: statusCode},
		"status.message":           {plain: statusMessage},
	},
	"spanevent": {
		"attributes":               attributesField,
		"name":                     text(wire.FieldEventName),
		"time_unix_nano":           whole(wire.FieldEventTime, fixed64),
		"time":                     instant(wire.FieldEventTime),
		"dropped_attributes_count": whole(wire.FieldEventDroppedAttributes, count32),
		"event_index":              {plain: eventIndex},
	},
	"metric": {
		"name":                    text(wire.FieldMetricName),
		"description":             text(wire.FieldMetricDescription),
		"unit":                    text(wire.FieldMetricUnit),
		"type":                    {plain: metricType},
		"aggregation_temporality": {plain: temporality},
		"is_monotonic":            {plain: monotonic},
		"metadata":                {metadata, metadataAt},
	},
	"datapoint": {
		"attributes":           attributesField,
		"start_time_unix_nano": pointField(pointStart, kindInt),
		"time_unix_nano":       pointField(pointTime, kindInt),
		"start_time":           pointField(pointStart, kindTime),
		"time":                 pointField(pointTime, kindTime),
		"flags":                pointField(pointFlags, kindInt),
		"count":                pointField(pointCount, kindInt),
		"sum":                  pointField(pointSum, kindDouble),
		"value_double":         pointField(pointDouble, kindDouble),
		"value_int":            pointField(pointInt, kindInt),
	},
}

// known are paths of contrib's that we do not have.
var known = map[string][]string{
	"span":      {"events", "links", "status", "trace_state"},
	"metric":    {"data_points"},
	"datapoint": {"exemplars", "bucket_counts", "explicit_bounds", "scale", "zero_count", "positive", "negative", "quantile_values"},
}

// prefixOf says which message a path is in, and which of its segments are below. own is true if the path has no prefix.
func (c *compiler) prefixOf(p *syntax.Path) (name string, rest []syntax.Segment, own bool) {
	first := p.Segments[0].Name
	if first == "instrumentation_scope" {
		first = "scope"
	}
	if _, ok := fields[first]; ok && len(p.Segments) > 1 && len(p.Segments[0].Keys) == 0 {
		return first, p.Segments[1:], false
	}
	return c.context.String(), p.Segments, true
}

func (c *compiler) path(p *syntax.Path) place {
	s, pl := c.resolve(p)
	pl.slot = s
	return pl
}

func (c *compiler) resolve(p *syntax.Path) (slot, place) {
	if p.Segments[0].Name == "otelcol" {
		return 0, c.clientPath(p)
	}
	prefix, segments, own := c.prefixOf(p)
	if own && c.prefixed {
		c.fault(p.At(), "%s: write the context in front, such as %s.%s", segments[0].Name, c.context, segments[0].Name)
		return 0, nowhere
	}
	s, ok := reach[c.context][prefix]
	if !ok {
		c.fault(p.At(), "%s cannot be reached from the context %s; use one of %s", prefix, c.context, strings.Join(slices.Sorted(maps.Keys(reach[c.context])), ", "))
		return 0, nowhere
	}
	if prefix == "metric" && c.context == Metric {
		s = c.metrics
	}
	last := segments[len(segments)-1]
	for _, seg := range segments[:len(segments)-1] {
		if len(seg.Keys) > 0 {
			c.fault(seg.Keys[0].At(), "only the end of a path can be indexed")
			return 0, nowhere
		}
	}
	keys := c.keys(last.Keys)
	names := make([]string, len(segments))
	for i, seg := range segments {
		names[i] = seg.Name
	}
	name := strings.Join(names, ".")
	if name == "cache" {
		if prefix != c.context.String() {
			c.fault(p.At(), "the cache belongs to the context %s; write %s.cache", c.context, c.context)
			return 0, nowhere
		}
		return slotItem, cache(keys)
	}
	f, ok := fields[prefix][name]
	switch {
	case !ok && slices.Contains(known[prefix], segments[0].Name):
		c.fault(segments[0].At, "the path %s.%s is not supported", prefix, name)
	case !ok:
		c.fault(segments[0].At, "%s has no path %s%s", prefix, name, nearest(name, slices.Collect(maps.Keys(fields[prefix]))))
	case len(keys) == 0:
		pl := f.plain(s)
		if s == slotMetric && prefix == "metric" && c.context == DataPoint {
			pl.fixed = "the metric of a data point can only be read; set it in the context metric"
		}
		return s, pl
	case f.keyed == nil && slices.Contains(known[prefix], name):
		c.fault(last.Keys[0].At(), "keys of %s.%s are not supported", prefix, name)
	case f.keyed == nil:
		c.fault(last.Keys[0].At(), "%s.%s cannot be indexed", prefix, name)
	default:
		return s, f.keyed(s, keys)
	}
	return 0, nowhere
}

// nowhere stands for a path with a fault.
var nowhere = place{
	get: func(*record) (value, error) { return value{}, nil },
	set: func(*record, value) error { return nil },
}

func (c *compiler) keys(list []syntax.Expr) (out []key) {
	if len(list) > maxKeys {
		c.fault(list[maxKeys].At(), "more than %d keys", maxKeys)
	}
	for _, e := range list {
		k := key{}
		if l, ok := e.(*syntax.Literal); ok {
			switch v := l.Value.(type) {
			case string:
				k.text, k.raw, k.literal = v, []byte(v), kindString
			case int64:
				k.index, k.literal = v, kindInt
			}
		} else {
			k.get = c.expr(e).get
		}
		out = append(out, k)
	}
	return out
}

// nearest names the candidate that is spelled most alike.
func nearest(name string, candidates []string) string {
	best, least := "", max(2, len(name)/3)+1
	slices.Sort(candidates)
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// distance counts the letters to insert, remove or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
