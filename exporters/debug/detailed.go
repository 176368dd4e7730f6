package debug

import (
	"fmt"
	"strconv"

	"github.com/sluiceio/sluice/wire"
)

// appendDetailed uses the format of the Collector's debug exporter.
func appendDetailed(dst []byte, s wire.Signal, r wire.Request) []byte {
	i := 0
	for rs := r.Resources(); rs.Next(); i++ {
		dst = fmt.Appendf(dst, "%s #%d\n", titles[s].resource, i)
		dst = appendEntry(dst, "Resource SchemaURL: ", rs.SchemaURL())
		dst = appendAttributes(dst, "Resource attributes:", wire.ResourceAttributes(rs.Resource()))
		j := 0
		for ss := rs.Scopes(); ss.Next(); j++ {
			scope := wire.ParseScope(ss.Scope())
			dst = fmt.Appendf(dst, "%s #%d\n", titles[s].scope, j)
			dst = appendEntry(dst, titles[s].scope+" SchemaURL: ", ss.SchemaURL())
			dst = appendSafe(append(dst, "InstrumentationScope "...), scope.Name)
			dst = appendEntry(dst, " ", scope.Version)
			dst = appendAttributes(dst, "InstrumentationScope attributes:", scope.Attributes())
			k := 0
			for items := ss.Items(); items.Next(); k++ {
				dst = fmt.Appendf(dst, "%s #%d\n", titles[s].item, k)
				switch s {
				case wire.Logs:
					dst = appendLog(dst, wire.ParseLog(items.Bytes()))
				case wire.Traces:
					dst = appendSpan(dst, wire.ParseSpan(items.Bytes()))
				case wire.Metrics:
					dst = appendMetric(dst, wire.ParseMetric(items.Bytes()))
				}
			}
		}
	}
	return dst
}

func appendEntry(dst []byte, name string, text []byte) []byte {
	return append(appendSafe(append(dst, name...), text), '\n')
}

func appendIDEntry(dst []byte, name string, id []byte) []byte {
	return append(appendHex(append(dst, name...), id), '\n')
}

func appendTimeEntry(dst []byte, name string, ns uint64) []byte {
	return append(appendTime(append(dst, name...), ns), '\n')
}

func appendAttributes(dst []byte, title string, a wire.Attributes) []byte {
	first := true
	for a.Next() {
		if first {
			dst = append(append(dst, title...), '\n')
			first = false
		}
		dst = appendSafe(append(dst, "     -> "...), a.Key())
		dst = append(appendTyped(append(dst, ": "...), a.Value()), '\n')
	}
	return dst
}

func appendLog(dst []byte, l wire.Log) []byte {
	dst = appendTimeEntry(dst, "ObservedTimestamp: ", l.ObservedTime)
	dst = appendTimeEntry(dst, "Timestamp: ", l.Time)
	dst = appendEntry(dst, "SeverityText: ", l.SeverityText)
	dst = appendEntry(dst, "SeverityNumber: ", severity(l.SeverityNumber))
	if len(l.EventName) > 0 {
		dst = appendEntry(dst, "EventName: ", l.EventName)
	}
	dst = append(appendTyped(append(dst, "Body: "...), l.Body), '\n')
	dst = appendAttributes(dst, "Attributes:", l.Attributes())
	dst = appendIDEntry(dst, "Trace ID: ", l.TraceID)
	dst = appendIDEntry(dst, "Span ID: ", l.SpanID)
	return fmt.Appendf(dst, "Flags: %d\n", l.Flags)
}

func severity(n int32) []byte {
	names := [...]string{"Trace", "Debug", "Info", "Warn", "Error", "Fatal"}
	if n < 1 || n > 24 {
		return fmt.Appendf(nil, "Unspecified(%d)", n)
	}
	name := names[(n-1)/4]
	if step := (n-1)%4 + 1; step > 1 {
		return fmt.Appendf(nil, "%s%d(%d)", name, step, n)
	}
	return fmt.Appendf(nil, "%s(%d)", name, n)
}

func appendSpan(dst []byte, p wire.Span) []byte {
	dst = appendIDEntry(dst, "    Trace ID       : ", p.TraceID)
	dst = appendIDEntry(dst, "    Parent ID      : ", p.ParentSpanID)
	dst = appendIDEntry(dst, "    ID             : ", p.SpanID)
	dst = appendEntry(dst, "    Name           : ", p.Name)
	dst = appendEntry(dst, "    Kind           : ", named(p.Kind, "Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"))
	if len(p.TraceState) > 0 {
		dst = appendEntry(dst, "    TraceState     : ", p.TraceState)
	}
	dst = appendTimeEntry(dst, "    Start time     : ", p.Start)
	dst = appendTimeEntry(dst, "    End time       : ", p.End)
	dst = appendEntry(dst, "    Status code    : ", named(p.StatusCode, "Unset", "Ok", "Error"))
	dst = appendEntry(dst, "    Status message : ", p.StatusMessage)
	dst = appendAttributes(dst, "Attributes:", p.Attributes())
	i := 0
	for events := p.Events(); events.Next(); i++ {
		if i == 0 {
			dst = append(dst, "Events:\n"...)
		}
		e := events.Event()
		dst = fmt.Appendf(dst, "SpanEvent #%d\n", i)
		dst = appendEntry(dst, "     -> Name: ", e.Name)
		dst = appendTimeEntry(dst, "     -> Timestamp: ", e.Time)
		dst = fmt.Appendf(dst, "     -> DroppedAttributesCount: %d\n", e.DroppedAttributes)
		dst = appendAttributes(dst, "     -> Attributes::", e.Attributes())
	}
	i = 0
	for links := p.Links(); links.Next(); i++ {
		if i == 0 {
			dst = append(dst, "Links:\n"...)
		}
		l := links.Link()
		dst = fmt.Appendf(dst, "SpanLink #%d\n", i)
		dst = appendIDEntry(dst, "     -> Trace ID: ", l.TraceID)
		dst = appendIDEntry(dst, "     -> ID: ", l.SpanID)
		dst = appendEntry(dst, "     -> TraceState: ", l.TraceState)
		dst = fmt.Appendf(dst, "     -> DroppedAttributesCount: %d\n", l.DroppedAttributes)
		dst = appendAttributes(dst, "     -> Attributes::", l.Attributes())
	}
	return dst
}

func named(n int32, names ...string) []byte {
	if n < 0 || int(n) >= len(names) {
		return strconv.AppendInt(nil, int64(n), 10)
	}
	return []byte(names[n])
}
