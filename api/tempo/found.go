package tempo

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/wire"
)

// noRoot is Tempo's text for a missing root, which Grafana knows.
const noRoot = "<root span not yet received>"

// A foundTrace is a trace in a search result. Tempo writes 64-bit numbers as strings.
type foundTrace struct {
	TraceID           string                  `json:"traceID"`
	RootServiceName   string                  `json:"rootServiceName"`
	RootTraceName     string                  `json:"rootTraceName"`
	StartTimeUnixNano string                  `json:"startTimeUnixNano"`
	DurationMs        uint64                  `json:"durationMs"`
	SpanSet           *spanSet                `json:"spanSet"` // the older name of the first of SpanSets
	SpanSets          []*spanSet              `json:"spanSets"`
	ServiceStats      map[string]serviceStats `json:"serviceStats"`

	from uint64
}

type spanSet struct {
	Spans   []foundSpan `json:"spans"`
	Matched int         `json:"matched"`
}

type foundSpan struct {
	SpanID            string           `json:"spanID"`
	Name              string           `json:"name"`
	StartTimeUnixNano string           `json:"startTimeUnixNano"`
	DurationNanos     string           `json:"durationNanos"`
	Attributes        []foundAttribute `json:"attributes,omitempty"`
}

type foundAttribute struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"` // as OTLP writes an AnyValue in JSON
}

type serviceStats struct {
	SpanCount  int `json:"spanCount"`
	ErrorCount int `json:"errorCount,omitempty"`
}

func newFoundTrace(m traceql.Match) foundTrace {
	f := foundTrace{
		TraceID: hex.EncodeToString(m.ID[:]), RootServiceName: noRoot, RootTraceName: noRoot,
		StartTimeUnixNano: strconv.FormatUint(m.From, 10), DurationMs: (m.To - m.From) / uint64(time.Millisecond),
		ServiceStats: make(map[string]serviceStats, len(m.Services)), from: m.From,
	}
	for name, s := range m.Services {
		f.ServiceStats[name] = serviceStats{s.Spans, s.Errors}
	}
	if m.Root.Found {
		f.RootServiceName, f.RootTraceName = string(m.Root.Service), string(m.Root.Name)
	}
	return f
}

// addSpans adds the first spss spans, with the attributes in the query.
func (f *foundTrace) addSpans(q *traceql.Query, spans []traceql.SpanMatch, spss int) {
	set := &spanSet{Matched: len(spans), Spans: make([]foundSpan, 0, min(len(spans), spss))}
	for _, m := range spans[:min(len(spans), spss)] {
		s := wire.ParseSpan(m.Span)
		found := foundSpan{
			SpanID: hex.EncodeToString(s.SpanID), Name: string(s.Name),
			StartTimeUnixNano: strconv.FormatUint(m.Start, 10),
			DurationNanos:     strconv.FormatUint(m.Duration, 10),
		}
		for _, field := range q.Fields() {
			if value := attributeOf(field, s, m.Resource); value != nil {
				found.Attributes = append(found.Attributes, foundAttribute{field.Name, value})
			}
		}
		set.Spans = append(set.Spans, found)
	}
	f.SpanSet, f.SpanSets = set, []*spanSet{set}
}

// attributeOf returns a field as JSON, nil if the span has none or shows it elsewhere.
func attributeOf(f traceql.Field, s wire.Span, resource []byte) json.RawMessage {
	var w jsonWriter
	switch {
	case f.Intrinsic == traceql.StatusCode:
		w.stringValue(traceql.StatusText(s.StatusCode))
	case f.Intrinsic == traceql.StatusMessage:
		w.stringValue(string(s.StatusMessage))
	case f.Intrinsic == traceql.SpanKind:
		w.stringValue(traceql.KindText(s.Kind))
	case f.Scope != traceql.ScopeIntrinsic:
		value, ok := wire.Value{}, false
		if f.Scope != traceql.ScopeResource {
			value, ok = s.Attributes().Find(f.Name)
		}
		if !ok && f.Scope != traceql.ScopeSpan {
			value, ok = wire.ResourceAttributes(resource).Find(f.Name)
		}
		if ok {
			w.anyValue(value)
		}
	}
	return w.b
}
