package wire

import "bytes"

// An Item is a log record, span, data point or metric that an [Editor] shows to its callback. What is read from it
// shows the edits that were made before. All it gives out may be used until the callback returns, and an edit does not
// disturb what was read before it: a cursor goes on over the attributes as they were.
//
// Keys may repeat. As in pdata's Map, the first of them is the attribute that is read, set, renamed and deleted; where
// all must go, as secrets must, use DeleteAttributes. Strings must be valid UTF-8.
type Item struct {
	body []byte      // as it came, or in scratch
	list []attribute // of body and pending edits, if listed
	// scratch holds what was written for the current item. It only grows while the item is shown, so that views of it,
	// and of arrays that it has outgrown, remain what they are.
	scratch []byte
	tag     byte // of the attributes
	data    byte // tag of the data message around the point in its metric
	listed  bool
	pending bool // list has edits that body does not have
	changed bool
	removed bool

	kind   message
	around [levelCount][]byte // bodies of ResourceX, ScopeX and Metric
	known  [levelCount]bool   // whether header holds the message of the level
	header [levelCount][]byte // Resource and InstrumentationScope
}

// attributeFields are the numbers of the attributes in the messages that are edited.
var attributeFields = [messageCount]byte{
	msgResource: FieldResourceAttributes, msgLogRecord: FieldLogAttributes, msgSpan: FieldSpanAttributes,
	msgMetric: FieldMetricMetadata, msgNumberPoint: FieldNumberAttributes, msgHistogramPoint: FieldHistogramAttributes,
	msgExponentialPoint: FieldExponentialAttributes, msgSummaryPoint: FieldSummaryAttributes,
}

// maxScratch and maxList are how many bytes and attributes of a rare huge item are kept room for.
const maxScratch, maxList = 1 << 20, 1 << 14

// become prepares for items of a message type.
func (it *Item) become(m message) {
	it.kind, it.tag, it.data = m, attributeFields[m]<<3|TypeBytes, 0
}

// within enters a container.
func (it *Item) within(level int, body []byte) {
	it.around[level], it.known[level] = body, false
}

// reset shows another item.
func (it *Item) reset(body []byte) {
	it.body, it.scratch = body, it.scratch[:0]
	it.listed, it.pending, it.changed, it.removed = false, false, false, false
}

// release lets go of the request.
func (it *Item) release() {
	it.body, it.around, it.header = nil, [levelCount][]byte{}, [levelCount][]byte{}
	if cap(it.scratch) > maxScratch {
		it.scratch = nil
	}
	if cap(it.list) > maxList {
		it.list = nil
	}
}

// Resource returns the body of the Resource that the item belongs to, nil if there is none.
func (it *Item) Resource() []byte { return it.find(levelResource, FieldResourceXResource) }

// Scope returns the body of the InstrumentationScope that the item belongs to, nil if there is none.
func (it *Item) Scope() []byte { return it.find(levelScope, FieldScopeXScope) }

// find looks once for each container, since encoders may put the header behind all items.
func (it *Item) find(level, field int) []byte {
	if !it.known[level] {
		it.header[level], it.known[level] = find(it.around[level], field), true
	}
	return it.header[level]
}

// Metric returns the body of the Metric that a data point belongs to, nil for other items.
func (it *Item) Metric() []byte { return it.around[levelMetric] }

// MetricType says which Parse function reads a data point: it is the type of its metric, MetricNone for other items.
func (it *Item) MetricType() MetricType {
	switch it.data >> 3 {
	case FieldMetricGauge:
		return MetricGauge
	case FieldMetricSum:
		return MetricSum
	case FieldMetricHistogram:
		return MetricHistogram
	case FieldMetricExponentialHistogram:
		return MetricExponentialHistogram
	case FieldMetricSummary:
		return MetricSummary
	}
	return MetricNone
}

// Bytes returns the body of the LogRecord, Span, data point or Metric. After an edit it is written out for this; the
// attributes alone are cheaper to look up with Attribute.
func (it *Item) Bytes() []byte {
	if it.pending {
		mark := len(it.scratch)
		it.scratch = it.render(it.scratch)
		it.moveTo(mark)
	}
	return it.body
}

// moveTo makes scratch[mark:] the body.
func (it *Item) moveTo(mark int) {
	it.body = it.scratch[mark:len(it.scratch):len(it.scratch)]
	it.listed, it.pending, it.changed = false, false, true
}

// Attributes returns a cursor over the attributes, of a Metric over its metadata.
func (it *Item) Attributes() Attributes {
	return Attributes{list: list{b: it.Bytes(), tag: it.tag}}
}

// Attribute returns the value of an attribute.
func (it *Item) Attribute(key string) (Value, bool) {
	it.parse()
	i := it.index(key)
	if i < 0 {
		return Value{}, false
	}
	return parseValue(it.valueOf(&it.list[i])), true
}

// Remove removes the item from the request. Edits of it are void.
func (it *Item) Remove() { it.removed = true }

// SetAttribute gives an attribute a value, and appends it to the attributes if the item has none of that key. To set the
// value that it has changes nothing.
func (it *Item) SetAttribute(key string, v Value) {
	it.parse()
	mark := len(it.scratch)
	it.scratch = v.appendBody(it.scratch)
	value := it.scratch[mark:]
	if value == nil {
		value = []byte{} // it is there, if only empty
	}
	it.put(it.index(key), key, value)
}

// RenameAttribute gives an attribute another key, at its place and with its value. If the item has an attribute of that
// key, this one takes the value and the renamed one is deleted. It reports whether there was anything to rename.
func (it *Item) RenameAttribute(from, to string) bool {
	it.parse()
	i := it.index(from)
	if i < 0 {
		return false
	}
	if from == to {
		return true
	}
	value := it.valueOf(&it.list[i])
	if j := it.index(to); j >= 0 {
		it.put(j, to, value)
		it.delete(i)
	} else {
		it.replace(i, to, value)
	}
	return true
}

// DeleteAttribute deletes an attribute and reports whether there was one.
func (it *Item) DeleteAttribute(key string) bool {
	it.parse()
	i := it.index(key)
	if i < 0 {
		return false
	}
	it.delete(i)
	return true
}

// DeleteAttributes deletes every attribute for which match returns true, also behind others of the same key, and
// returns how many it deleted.
func (it *Item) DeleteAttributes(match func(key []byte, v Value) bool) int {
	it.parse()
	n := 0
	for i := range it.list {
		a := &it.list[i]
		if a.state != attributeDeleted && match(it.keyOf(a), parseValue(it.valueOf(a))) {
			it.delete(i)
			n++
		}
	}
	return n
}

// SetField replaces a field of the message, which framed holds with its tag, as the functions AppendString, AppendUint,
// AppendFixed64, AppendValue and their like write it, or appends the field if the message has none. Another member of
// the same oneof makes way. A repeated field is always appended. The number must be that of a field of this message,
// and its value what the schema says.
func (it *Item) SetField(framed []byte) {
	tag, _ := uvarint(framed, 0)
	num := tag >> 3
	slot := uint8(0)
	if num < slots {
		slot = schemas[it.kind][num].slot()
	}
	body, start, end := it.Bytes(), 0, 0
	for pos := 0; slot > 0 && pos < len(body); {
		at := pos
		tag, _ := uvarint(body, pos)
		pos = skip(body, pos)
		if n := tag >> 3; n < slots && schemas[it.kind][n].slot() == slot {
			start, end = at, pos
			break
		}
	}
	if end == 0 {
		start, end = len(body), len(body)
	}
	if bytes.Equal(body[start:end], framed) {
		return
	}
	mark := len(it.scratch)
	it.scratch = append(it.scratch, body[:start]...)
	it.scratch = append(it.scratch, framed...)
	it.scratch = append(it.scratch, body[end:]...)
	it.moveTo(mark)
}
