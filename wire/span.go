package wire

// A Span is a view of a Span.
type Span struct {
	TraceID, SpanID, ParentSpanID                  []byte // 16, 8 and 8 bytes, or empty
	Name, TraceState                               []byte
	StatusMessage                                  []byte
	Start, End                                     uint64 // ns since 1970
	Kind, StatusCode                               int32
	Flags                                          uint32
	DroppedAttributes, DroppedEvents, DroppedLinks uint32
	attrs, events, links                           []byte
}

// Span.flags is the only known field above 15, with a two-byte tag.
const spanFlagsTag0, spanFlagsTag1 = 0x80 | FieldSpanFlags<<3&0x7f | TypeFixed32, FieldSpanFlags >> 4

// ParseSpan reads a Span body.
func ParseSpan(item []byte) (s Span) {
	var attrs, events, links run
	for pos := 0; pos < len(item); {
		tag, at := item[pos], pos
		pos++
		if tag&7 == TypeBytes && tag < 0x80 {
			start, end := short(item, pos)
			if end == 0 {
				start, end = long(item, pos)
			}
			pos = end
			switch tag >> 3 {
			case FieldSpanAttributes:
				attrs.add(at, end)
			case FieldSpanTraceID:
				s.TraceID = item[start:end:end]
			case FieldSpanSpanID:
				s.SpanID = item[start:end:end]
			case FieldSpanTraceState:
				s.TraceState = item[start:end:end]
			case FieldSpanParentSpanID:
				s.ParentSpanID = item[start:end:end]
			case FieldSpanName:
				s.Name = item[start:end:end]
			case FieldSpanEvents:
				events.add(at, end)
			case FieldSpanLinks:
				links.add(at, end)
			case FieldSpanStatus:
				s.parseStatus(item[start:end])
			}
			continue
		}
		pos = s.parseNumber(item, at)
	}
	s.attrs, s.events, s.links = attrs.of(item), events.of(item), links.of(item)
	return s
}

// parseNumber reads a field that is not length-delimited.
func (s *Span) parseNumber(item []byte, pos int) int {
	var v uint64
	switch item[pos] {
	case FieldSpanKind<<3 | TypeVarint:
		v, pos = uvarint(item, pos+1)
		s.Kind = int32(v)
	case FieldSpanStart<<3 | TypeFixed64:
		s.Start, pos = fixed64(item, pos+1)
	case FieldSpanEnd<<3 | TypeFixed64:
		s.End, pos = fixed64(item, pos+1)
	case FieldSpanDroppedAttributes<<3 | TypeVarint:
		v, pos = uvarint(item, pos+1)
		s.DroppedAttributes = uint32(v)
	case FieldSpanDroppedEvents<<3 | TypeVarint:
		v, pos = uvarint(item, pos+1)
		s.DroppedEvents = uint32(v)
	case FieldSpanDroppedLinks<<3 | TypeVarint:
		v, pos = uvarint(item, pos+1)
		s.DroppedLinks = uint32(v)
	case spanFlagsTag0:
		if pos+1 < len(item) && item[pos+1] == spanFlagsTag1 {
			s.Flags, pos = fixed32(item, pos+2)
			return pos
		}
		return skip(item, pos)
	default:
		return skip(item, pos)
	}
	return pos
}

func (s *Span) parseStatus(b []byte) {
	for pos := 0; pos < len(b); {
		switch b[pos] {
		case FieldStatusMessage<<3 | TypeBytes:
			s.StatusMessage, pos = view(b, pos+1)
		case FieldStatusCode<<3 | TypeVarint:
			var v uint64
			v, pos = uvarint(b, pos+1)
			s.StatusCode = int32(v)
		default:
			pos = skip(b, pos)
		}
	}
}

// Attributes returns a cursor over the attributes of the span.
func (s Span) Attributes() Attributes { return attributes(s.attrs, FieldSpanAttributes) }

// Events returns a cursor over the events of the span.
func (s Span) Events() Events {
	return Events{list{b: s.events, tag: FieldSpanEvents<<3 | TypeBytes}}
}

// Links returns a cursor over the links of the span.
func (s Span) Links() Links {
	return Links{list{b: s.links, tag: FieldSpanLinks<<3 | TypeBytes}}
}

// Events walks the events of a span.
type Events struct{ list }

// Next moves to the next event.
func (c *Events) Next() bool { return c.next() }

// Event reads the current event.
func (c *Events) Event() Event { return ParseEvent(c.body()) }

// Bytes returns the body of the current event.
func (c *Events) Bytes() []byte { return c.body() }

// An Event is a view of a Span.Event.
type Event struct {
	Time              uint64 // ns since 1970
	Name              []byte
	DroppedAttributes uint32
	body              []byte
}

// ParseEvent reads a Span.Event body.
func ParseEvent(b []byte) Event {
	e := Event{body: b}
	for pos := 0; pos < len(b); {
		switch b[pos] {
		case FieldEventTime<<3 | TypeFixed64:
			e.Time, pos = fixed64(b, pos+1)
		case FieldEventName<<3 | TypeBytes:
			e.Name, pos = view(b, pos+1)
		case FieldEventDroppedAttributes<<3 | TypeVarint:
			var v uint64
			v, pos = uvarint(b, pos+1)
			e.DroppedAttributes = uint32(v)
		default:
			pos = skip(b, pos)
		}
	}
	return e
}

// Attributes returns a cursor over the attributes of the event.
func (e Event) Attributes() Attributes { return attributes(e.body, FieldEventAttributes) }

// Links walks the links of a span.
type Links struct{ list }

// Next moves to the next link.
func (c *Links) Next() bool { return c.next() }

// Link reads the current link.
func (c *Links) Link() Link { return ParseLink(c.body()) }

// Bytes returns the body of the current link.
func (c *Links) Bytes() []byte { return c.body() }

// A Link is a view of a Span.Link.
type Link struct {
	TraceID, SpanID          []byte // 16 and 8 bytes, or empty
	TraceState               []byte
	DroppedAttributes, Flags uint32
	body                     []byte
}

// ParseLink reads a Span.Link body.
func ParseLink(b []byte) Link {
	l := Link{body: b}
	for pos := 0; pos < len(b); {
		switch b[pos] {
		case FieldLinkTraceID<<3 | TypeBytes:
			l.TraceID, pos = view(b, pos+1)
		case FieldLinkSpanID<<3 | TypeBytes:
			l.SpanID, pos = view(b, pos+1)
		case FieldLinkTraceState<<3 | TypeBytes:
			l.TraceState, pos = view(b, pos+1)
		case FieldLinkDroppedAttributes<<3 | TypeVarint:
			var v uint64
			v, pos = uvarint(b, pos+1)
			l.DroppedAttributes = uint32(v)
		case FieldLinkFlags<<3 | TypeFixed32:
			l.Flags, pos = fixed32(b, pos+1)
		default:
			pos = skip(b, pos)
		}
	}
	return l
}

// Attributes returns a cursor over the attributes of the link.
func (l Link) Attributes() Attributes { return attributes(l.body, FieldLinkAttributes) }
