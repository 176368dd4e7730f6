package tempo

import "github.com/sluiceio/sluice/wire"

var (
	kindNames = []string{
		"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER",
		"SPAN_KIND_CONSUMER",
	}
	codeNames = []string{"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"}
)

func (w *jsonWriter) resourceSpans(r wire.Request) {
	w.open('[')
	for c := r.Resources(); c.Next(); {
		w.open('{')
		if resource := c.Resource(); resource != nil {
			w.key("resource")
			w.open('{')
			w.attributes(wire.ResourceAttributes(resource))
			w.close('}')
		}
		w.key("scopeSpans")
		w.open('[')
		for s := c.Scopes(); s.Next(); {
			w.scopeSpans(s)
		}
		w.close(']')
		w.text("schemaUrl", c.SchemaURL())
		w.close('}')
	}
	w.close(']')
}

func (w *jsonWriter) scopeSpans(c wire.Scopes) {
	w.open('{')
	if body := c.Scope(); body != nil {
		scope := wire.ParseScope(body)
		w.key("scope")
		w.open('{')
		w.text("name", scope.Name)
		w.text("version", scope.Version)
		w.attributes(scope.Attributes())
		w.number("droppedAttributesCount", scope.DroppedAttributes)
		w.close('}')
	}
	w.key("spans")
	w.open('[')
	for i := c.Items(); i.Next(); {
		w.span(wire.ParseSpan(i.Bytes()))
	}
	w.close(']')
	w.text("schemaUrl", c.SchemaURL())
	w.close('}')
}

func (w *jsonWriter) span(s wire.Span) {
	w.open('{')
	w.bytes("traceId", s.TraceID)
	w.bytes("spanId", s.SpanID)
	w.text("traceState", s.TraceState)
	w.bytes("parentSpanId", s.ParentSpanID)
	w.number("flags", s.Flags)
	w.text("name", s.Name)
	w.enum("kind", s.Kind, kindNames)
	w.time("startTimeUnixNano", s.Start)
	w.time("endTimeUnixNano", s.End)
	w.attributes(s.Attributes())
	w.number("droppedAttributesCount", s.DroppedAttributes)
	w.events(s.Events())
	w.number("droppedEventsCount", s.DroppedEvents)
	w.links(s.Links())
	w.number("droppedLinksCount", s.DroppedLinks)
	w.key("status")
	w.open('{')
	w.text("message", s.StatusMessage)
	w.enum("code", s.StatusCode, codeNames)
	w.close('}')
	w.close('}')
}

func (w *jsonWriter) events(c wire.Events) {
	if first := c; !first.Next() {
		return
	}
	w.key("events")
	w.open('[')
	for c.Next() {
		e := c.Event()
		w.open('{')
		w.time("timeUnixNano", e.Time)
		w.text("name", e.Name)
		w.attributes(e.Attributes())
		w.number("droppedAttributesCount", e.DroppedAttributes)
		w.close('}')
	}
	w.close(']')
}

func (w *jsonWriter) links(c wire.Links) {
	if first := c; !first.Next() {
		return
	}
	w.key("links")
	w.open('[')
	for c.Next() {
		l := c.Link()
		w.open('{')
		w.bytes("traceId", l.TraceID)
		w.bytes("spanId", l.SpanID)
		w.text("traceState", l.TraceState)
		w.attributes(l.Attributes())
		w.number("droppedAttributesCount", l.DroppedAttributes)
		w.number("flags", l.Flags)
		w.close('}')
	}
	w.close(']')
}
