package wire

import "bytes"

// An Item is a log record, span, data point or metric in the callback of an [Editor]. Reads show earlier edits.
// What it returns is valid until the callback returns, and edits do not change what was read before.
//
// Keys may repeat: as in pdata's Map, the first is read, set, renamed and deleted. To remove secrets, use
// DeleteAttributes, which finds all. Strings must be valid UTF-8.
type Item struct {
	body []byte      // as it came, or in scratch
	list []attribute // of body and pending edits, if listed
	// scratch holds what was written for the current item. It only grows, so that views of it stay valid.
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
	place  [levelCount]int    // how many there were so far in the pass
}

// attributeFields are the attribute fields of the editable messages.
var attributeFields = [messageCount]byte{
	msgResource: FieldResourceAttributes, msgScope: FieldScopeAttributes, msgEvent: FieldEventAttributes,
	msgLogRecord: FieldLogAttributes, msgSpan: FieldSpanAttributes,
	msgMetric: FieldMetricMetadata, msgNumberPoint: FieldNumberAttributes, msgHistogramPoint: FieldHistogramAttributes,
	msgExponentialPoint: FieldExponentialAttributes, msgSummaryPoint: FieldSummaryAttributes,
}

// maxScratch and maxList are the capacities kept after a rare huge item.
const maxScratch, maxList = 1 << 20, 1 << 14

func (it *Item) become(m message) {
	it.kind, it.tag, it.data = m, attributeFields[m]<<3|TypeBytes, 0
}

func (it *Item) within(level int, body []byte) {
	it.around[level], it.known[level] = body, false
	it.place[level]++
}

func (it *Item) reset(body []byte) {
	it.body, it.scratch = body, it.scratch[:0]
	it.listed, it.pending, it.changed, it.removed = false, false, false, false
}

func (it *Item) release() {
	it.body, it.around, it.header = nil, [levelCount][]byte{}, [levelCount][]byte{}
	if cap(it.scratch) > maxScratch {
		it.scratch = nil
	}
	if cap(it.list) > maxList {
		it.list = nil
	}
}

// Resource returns the body of the item's Resource, or nil.
func (it *Item) Resource() []byte { return it.find(levelResource, FieldResourceXResource) }

// Scope returns the body of the item's InstrumentationScope, or nil.
func (it *Item) Scope() []byte { return it.find(levelScope, FieldScopeXScope) }

// find searches once per container: encoders may put the header after all items.
func (it *Item) find(level, field int) []byte {
	if !it.known[level] {
		it.header[level], it.known[level] = find(it.around[level], field), true
	}
	return it.header[level]
}

// Metric returns the body of a data point's Metric, nil for other items.
func (it *Item) Metric() []byte { return it.around[levelMetric] }

// MetricType is the type of a data point's metric, MetricNone for other items.
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

// Bytes returns the item's body. After an edit this encodes it; Attribute is cheaper.
func (it *Item) Bytes() []byte {
	if it.pending {
		mark := len(it.scratch)
		it.scratch = it.render(it.scratch)
		it.moveTo(mark)
	}
	return it.body
}

func (it *Item) moveTo(mark int) {
	it.body = it.scratch[mark:len(it.scratch):len(it.scratch)]
	it.listed, it.pending, it.changed = false, false, true
}

// Attributes returns a cursor over the attributes, or a Metric's metadata.
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

// Remove removes the item from the request.
func (it *Item) Remove() { it.removed = true }

// SetAttribute sets or appends an attribute.
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

// RenameAttribute renames an attribute in place. If an attribute with the new key exists, that one gets the value
// and the renamed one is deleted. It returns false if from is absent.
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

// DeleteAttributes deletes every matching attribute, repeated keys included, and returns how many.
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

// SetField replaces or appends a field, given framed as by AppendString, AppendUint, AppendFixed64 or AppendValue.
// It replaces other members of its oneof; a repeated field is always appended. The field must fit the schema of the
// message.
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
