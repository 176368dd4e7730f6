package debug

import (
	"strconv"

	"github.com/sluiceio/sluice/wire"
)

var titles = [...]struct{ resource, scope, item string }{
	wire.Metrics: {"ResourceMetrics", "ScopeMetrics", "Metric"},
	wire.Logs:    {"ResourceLog", "ScopeLogs", "LogRecord"},
	wire.Traces:  {"ResourceSpans", "ScopeSpans", "Span"},
}

// appendNormal writes about one line per record.
func appendNormal(dst []byte, s wire.Signal, r wire.Request) []byte {
	i := 0
	for rs := r.Resources(); rs.Next(); i++ {
		dst = appendTitle(dst, titles[s].resource, i, rs.SchemaURL())
		dst = appendPairs(dst, wire.ResourceAttributes(rs.Resource()))
		dst = append(dst, '\n')
		j := 0
		for ss := rs.Scopes(); ss.Next(); j++ {
			scope := wire.ParseScope(ss.Scope())
			dst = appendTitle(dst, titles[s].scope, j, ss.SchemaURL())
			if len(scope.Name) > 0 {
				dst = appendSafe(append(dst, ' '), scope.Name)
			}
			if len(scope.Version) > 0 {
				dst = appendSafe(append(dst, '@'), scope.Version)
			}
			dst = appendPairs(dst, scope.Attributes())
			dst = append(dst, '\n')
			for items := ss.Items(); items.Next(); {
				dst = appendLine(dst, s, items.Bytes())
			}
		}
	}
	return dst
}

func appendTitle(dst []byte, title string, n int, schema []byte) []byte {
	dst = strconv.AppendInt(append(append(dst, title...), " #"...), int64(n), 10)
	if len(schema) > 0 {
		dst = append(appendSafe(append(dst, " ["...), schema), ']')
	}
	return dst
}

func appendPairs(dst []byte, a wire.Attributes) []byte {
	for a.Next() {
		dst = appendSafe(append(dst, ' '), a.Key())
		dst = appendValue(append(dst, '='), a.Value())
	}
	return dst
}

// appendLine writes one record; a metric has one line per point.
func appendLine(dst []byte, s wire.Signal, item []byte) []byte {
	switch s {
	case wire.Logs:
		l := wire.ParseLog(item)
		dst = appendValue(dst, l.Body)
		dst = appendPairs(dst, l.Attributes())
		return append(dst, '\n')
	case wire.Traces:
		p := wire.ParseSpan(item)
		dst = appendSafe(dst, p.Name)
		dst = appendHex(append(dst, ' '), p.TraceID)
		dst = appendHex(append(dst, ' '), p.SpanID)
		dst = appendPairs(dst, p.Attributes())
		return append(dst, '\n')
	}
	m := wire.ParseMetric(item)
	for points := m.Points(); points.Next(); {
		dst = appendSafe(dst, m.Name)
		dst = append(dst, '{')
		start := len(dst)
		if dst = appendPairs(dst, pointAttributes(m.Type, points.Bytes())); len(dst) > start {
			dst = append(dst[:start], dst[start+1:]...) // the space before the first
		}
		dst = append(dst, '}')
		dst = appendPoint(dst, m.Type, points.Bytes())
		dst = append(dst, '\n')
	}
	return dst
}

func pointAttributes(t wire.MetricType, b []byte) wire.Attributes {
	switch t {
	case wire.MetricHistogram:
		return wire.ParseHistogramPoint(b).Attributes()
	case wire.MetricExponentialHistogram:
		return wire.ParseExponentialHistogramPoint(b).Attributes()
	case wire.MetricSummary:
		return wire.ParseSummaryPoint(b).Attributes()
	}
	return wire.ParseNumberPoint(b).Attributes()
}

func appendPoint(dst []byte, t wire.MetricType, b []byte) []byte {
	switch t {
	case wire.MetricHistogram:
		p := wire.ParseHistogramPoint(b)
		dst = strconv.AppendUint(append(dst, " count="...), p.Count, 10)
		dst = appendOptional(dst, " sum=", p.Sum, p.HasSum)
		dst = appendOptional(dst, " min=", p.Min, p.HasMin)
		dst = appendOptional(dst, " max=", p.Max, p.HasMax)
		for i := range p.BucketCounts.Len() {
			dst = append(dst, ' ')
			if i < p.ExplicitBounds.Len() {
				dst = append(appendShort(append(dst, "le"...), p.ExplicitBounds.At(i)), '=')
			}
			dst = strconv.AppendUint(dst, p.BucketCounts.At(i), 10)
		}
		return dst
	case wire.MetricExponentialHistogram:
		p := wire.ParseExponentialHistogramPoint(b)
		dst = strconv.AppendUint(append(dst, " count="...), p.Count, 10)
		dst = appendOptional(dst, " sum=", p.Sum, p.HasSum)
		dst = appendOptional(dst, " min=", p.Min, p.HasMin)
		return appendOptional(dst, " max=", p.Max, p.HasMax)
	case wire.MetricSummary:
		p := wire.ParseSummaryPoint(b)
		dst = strconv.AppendUint(append(dst, " count="...), p.Count, 10)
		dst = appendOptional(dst, " sum=", p.Sum, true)
		for q := p.Quantiles(); q.Next(); {
			dst = appendShort(append(dst, " q"...), q.Quantile())
			dst = appendShort(append(dst, '='), q.Value())
		}
		return dst
	}
	p := wire.ParseNumberPoint(b)
	switch {
	case !p.HasValue:
		return dst
	case p.IsInt:
		return strconv.AppendInt(append(dst, ' '), p.Int, 10)
	}
	return appendShort(append(dst, ' '), p.Double)
}

func appendOptional(dst []byte, name string, f float64, there bool) []byte {
	if !there {
		return dst
	}
	return appendShort(append(dst, name...), f)
}
