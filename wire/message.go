package wire

// A MessageKind is a message that [Item.Open] can edit on its own.
type MessageKind uint8

// The messages. A Scope is an InstrumentationScope, an Event that of a span.
const (
	MessageResource MessageKind = iota
	MessageScope
	MessageEvent
)

var messageKinds = [...]message{MessageResource: msgResource, MessageScope: msgScope, MessageEvent: msgEvent}

// Open makes it an Item of one message outside of an Editor's pass, with the given body. What belonged to the message
// before is gone.
func (it *Item) Open(kind MessageKind, body []byte) {
	it.become(messageKinds[kind])
	it.around, it.header, it.known = [levelCount][]byte{}, [levelCount][]byte{}, [levelCount]bool{}
	it.reset(body)
}

// Changed reports whether an edit changed the item.
func (it *Item) Changed() bool { return it.changed }

// Place returns the indices within the request of the ResourceX, the ScopeX and the Metric that hold the item, -1 for
// none.
func (it *Item) Place() (resource, scope, metric int) {
	return it.place[levelResource] - 1, it.place[levelScope] - 1, it.place[levelMetric] - 1
}

// ResourceX returns the body of the message around the Resource, ScopeX of that around the Scope.
func (it *Item) ResourceX() []byte { return it.around[levelResource] }

// ScopeX returns the body of the message around the Scope and its items.
func (it *Item) ScopeX() []byte { return it.around[levelScope] }

// AttributeTag is the tag of the item's attributes in its body.
func (it *Item) AttributeTag() byte { return it.tag }

// SetAttributes replaces all attributes by a run of KeyValue fields with the item's AttributeTag. Other fields stay in
// their order.
func (it *Item) SetAttributes(run []byte) {
	body := it.Bytes()
	mark, taken, placed := len(it.scratch), 0, false
	for pos := 0; pos < len(body); {
		at := pos
		pos = skip(body, pos)
		if body[at] != it.tag {
			continue
		}
		it.scratch = append(it.scratch, body[taken:at]...)
		taken = pos
		if !placed {
			it.scratch, placed = append(it.scratch, run...), true
		}
	}
	it.scratch = append(it.scratch, body[taken:]...)
	if !placed {
		it.scratch = append(it.scratch, run...)
	}
	it.moveTo(mark)
}

// SetBytes replaces the item's whole body, which must be canonical.
func (it *Item) SetBytes(body []byte) {
	mark := len(it.scratch)
	it.scratch = append(it.scratch, body...)
	it.moveTo(mark)
}

// Entries walks the KeyValue fields with a tag in the body of a message; other fields are passed over.
func Entries(body []byte, tag byte) Attributes { return Attributes{list: list{b: body, tag: tag}} }

// Payload is the content of a string, byte string, array or map value, nil for others.
func (v Value) Payload() []byte {
	switch v.kind {
	case ValueString, ValueBytes, ValueArray, ValueMap:
		return v.b
	}
	return nil
}

// ReplaceHeaders replaces the Resources and InstrumentationScopes for which the functions return a body. Both are asked
// with the index within the whole request; nil means that it stays. Without a change it returns r and false.
func ReplaceHeaders(dst []byte, r Request, resource, scope func(index int) []byte) (Request, bool) {
	out, changed := dst, false
	resources, scopes := 0, 0
	for f := MessageFields(r); f.Next(); {
		if f.Number() != FieldRequestResource {
			out = append(out, f.Framed()...)
			continue
		}
		rs := headed{body: f.Body(), header: resource(resources)}
		resources++
		mark := 0
		changed = changed || rs.header != nil
		out, mark = BeginMessage(out, FieldRequestResource)
		out = rs.begin(out)
		for c := MessageFields(rs.body); c.Next(); {
			switch {
			case c.Number() == FieldResourceXResource && rs.header != nil:
			case c.Number() == FieldResourceXScope:
				sc := headed{body: c.Body(), header: scope(scopes)}
				scopes++
				if sc.header == nil {
					out = append(out, c.Framed()...)
					continue
				}
				changed = true
				var inner int
				out, inner = BeginMessage(out, FieldResourceXScope)
				out = sc.begin(out)
				for i := MessageFields(sc.body); i.Next(); {
					if i.Number() != FieldScopeXScope {
						out = append(out, i.Framed()...)
					}
				}
				out = EndMessage(out, inner)
			default:
				out = append(out, c.Framed()...)
			}
		}
		out = EndMessage(out, mark)
	}
	if !changed {
		return r, false
	}
	return out[len(dst):], true
}

// headed is a ResourceX or ScopeX, whose header is field 1 in both.
type headed struct{ body, header []byte }

// begin writes the new header, first, where encoders put it.
func (h headed) begin(dst []byte) []byte {
	if h.header == nil {
		return dst
	}
	return AppendBytes(dst, FieldResourceXResource, h.header)
}

// FindBytes returns the content of the first length-delimited field with the number, below 16, in a message; nil if there
// is none.
func FindBytes(message []byte, number int) []byte { return find(message, number) }

// FindNumber returns a varint, fixed64 or fixed32 field of a message as its bits.
func FindNumber(message []byte, number int) (v uint64, ok bool) {
	for pos := 0; pos < len(message); {
		tag, at := uvarint(message, pos)
		if int(tag>>3) != number {
			pos = skip(message, pos)
			continue
		}
		switch tag & 7 {
		case TypeVarint:
			v, _ = uvarint(message, at)
		case TypeFixed64:
			v, _ = fixed64(message, at)
		case TypeFixed32:
			n, _ := fixed32(message, at)
			v = uint64(n)
		default:
			return 0, false
		}
		return v, true
	}
	return 0, false
}

// FindBytes is FindBytes of the item, for fields other than attributes: pending edits of those are not encoded for it.
func (it *Item) FindBytes(number int) []byte { return find(it.body, number) }

// FindNumber is FindNumber of the item.
func (it *Item) FindNumber(number int) (uint64, bool) { return FindNumber(it.body, number) }
