package wire

// A kind says how to check and canonicalise a field's payload.
type kind uint8

const (
	kindUnknown      kind = iota
	kindVarint            // int32, uint32, sint32, int64, bool, enum
	kindFixed64           // fixed64, sfixed64, double
	kindFixed32           // fixed32
	kindString            // valid UTF-8
	kindBytes             // anything
	kindTraceID           // 16 bytes or none
	kindSpanID            // 8 bytes or none
	kindPackedFixed       // packed fixed64 or double
	kindPackedVarint      // packed uint64
	kindMessage           // repeated, or singular: then several occurrences are merged
	kindMember            // message in a oneof: the last occurrence of any member wins
	kindItem              // repeated message that counts as an item
)

// A message is a message type, an index of the tables.
type message uint8

const (
	msgNone message = iota
	msgMetricsRequest
	msgResourceMetrics
	msgScopeMetrics
	msgMetric
	msgGauge
	msgSum
	msgHistogram
	msgExponential
	msgSummary
	msgNumberPoint
	msgHistogramPoint
	msgExponentialPoint
	msgBuckets
	msgSummaryPoint
	msgQuantile
	msgExemplar
	msgLogsRequest
	msgResourceLogs
	msgScopeLogs
	msgLogRecord
	msgTracesRequest
	msgResourceSpans
	msgScopeSpans
	msgSpan
	msgEvent
	msgLink
	msgStatus
	msgResource
	msgEntityRef
	msgScope
	msgKeyValue
	msgValue
	msgArray
	msgMap
	messageCount
)

// A field is a row of a message's schema, packed into one word because Check reads one per field: kind, submessage,
// wire type of the canonical form plus one (0 if unknown), and slot (0 if repeated, else the same number for all
// fields of which the canonical form has at most one).
type field uint32

func row(k kind, m message, wire, slot uint8) field {
	return field(k) | field(m)<<8 | field(wire+1)<<16 | field(slot)<<24
}

func (f field) kind() kind   { return kind(f) }
func (f field) sub() message { return message(f >> 8) }
func (f field) wire() uint8  { return uint8(f >> 16) }
func (f field) slot() uint8  { return uint8(f >> 24) }

// slots bounds field numbers and slots. A one-byte tag shifted by three is below it, which saves a bounds check.
const slots = 32

// deprecatedScope is the scopes field of ResourceX before OTLP 0.15 (instrumentation_library_*). pdata reads it
// when scope_* is absent, else drops it.
const deprecatedScope = 1000

// n is the field's number, or the lowest of its oneof.

func varint(n uint8) field   { return row(kindVarint, 0, TypeVarint, n) }
func f64(n uint8) field      { return row(kindFixed64, 0, TypeFixed64, n) }
func f32(n uint8) field      { return row(kindFixed32, 0, TypeFixed32, n) }
func str(n uint8) field      { return row(kindString, 0, TypeBytes, n) }
func raw(n uint8) field      { return row(kindBytes, 0, TypeBytes, n) }
func traceID(n uint8) field  { return row(kindTraceID, 0, TypeBytes, n) }
func spanID(n uint8) field   { return row(kindSpanID, 0, TypeBytes, n) }
func packed64(n uint8) field { return row(kindPackedFixed, 0, TypeBytes, n) }
func packed(n uint8) field   { return row(kindPackedVarint, 0, TypeBytes, n) }

func many(m message) field            { return row(kindMessage, m, TypeBytes, 0) }
func one(m message, n uint8) field    { return row(kindMessage, m, TypeBytes, n) }
func member(m message, n uint8) field { return row(kindMember, m, TypeBytes, n) }
func item(m message) field            { return row(kindItem, m, TypeBytes, 0) }

// schemas are the fields of every message by number. A test compares them with opentelemetry-proto.
var schemas = [messageCount][slots]field{
	msgMetricsRequest:  {1: many(msgResourceMetrics)},
	msgResourceMetrics: {1: one(msgResource, 1), 2: many(msgScopeMetrics), 3: str(3)},
	msgScopeMetrics:    {1: one(msgScope, 1), 2: many(msgMetric), 3: str(3)},
	msgMetric: {1: str(1), 2: str(2), 3: str(3), 5: member(msgGauge, 5), 7: member(msgSum, 5),
		9: member(msgHistogram, 5), 10: member(msgExponential, 5), 11: member(msgSummary, 5), 12: many(msgKeyValue)},
	msgGauge:       {1: item(msgNumberPoint)},
	msgSum:         {1: item(msgNumberPoint), 2: varint(2), 3: varint(3)},
	msgHistogram:   {1: item(msgHistogramPoint), 2: varint(2)},
	msgExponential: {1: item(msgExponentialPoint), 2: varint(2)},
	msgSummary:     {1: item(msgSummaryPoint)},
	msgNumberPoint: {2: f64(2), 3: f64(3), 4: f64(4), 5: many(msgExemplar), 6: f64(4), 7: many(msgKeyValue),
		8: varint(8)},
	msgHistogramPoint: {2: f64(2), 3: f64(3), 4: f64(4), 5: f64(5), 6: packed64(6), 7: packed64(7),
		8: many(msgExemplar), 9: many(msgKeyValue), 10: varint(10), 11: f64(11), 12: f64(12)},
	msgExponentialPoint: {1: many(msgKeyValue), 2: f64(2), 3: f64(3), 4: f64(4), 5: f64(5), 6: varint(6), 7: f64(7),
		8: one(msgBuckets, 8), 9: one(msgBuckets, 9), 10: varint(10), 11: many(msgExemplar), 12: f64(12), 13: f64(13),
		14: f64(14)},
	msgBuckets: {1: varint(1), 2: packed(2)},
	msgSummaryPoint: {2: f64(2), 3: f64(3), 4: f64(4), 5: f64(5), 6: many(msgQuantile), 7: many(msgKeyValue),
		8: varint(8)},
	msgQuantile: {1: f64(1), 2: f64(2)},
	msgExemplar: {2: f64(2), 3: f64(3), 4: spanID(4), 5: traceID(5), 6: f64(3), 7: many(msgKeyValue)},

	msgLogsRequest:  {1: many(msgResourceLogs)},
	msgResourceLogs: {1: one(msgResource, 1), 2: many(msgScopeLogs), 3: str(3)},
	msgScopeLogs:    {1: one(msgScope, 1), 2: item(msgLogRecord), 3: str(3)},
	msgLogRecord: {1: f64(1), 2: varint(2), 3: str(3), 5: one(msgValue, 5), 6: many(msgKeyValue), 7: varint(7),
		8: f32(8), 9: traceID(9), 10: spanID(10), 11: f64(11), 12: str(12)},

	msgTracesRequest: {1: many(msgResourceSpans)},
	msgResourceSpans: {1: one(msgResource, 1), 2: many(msgScopeSpans), 3: str(3)},
	msgScopeSpans:    {1: one(msgScope, 1), 2: item(msgSpan), 3: str(3)},
	msgSpan: {1: traceID(1), 2: spanID(2), 3: str(3), 4: spanID(4), 5: str(5), 6: varint(6), 7: f64(7), 8: f64(8),
		9: many(msgKeyValue), 10: varint(10), 11: many(msgEvent), 12: varint(12), 13: many(msgLink), 14: varint(14),
		15: one(msgStatus, 15), 16: f32(16)},
	msgEvent: {1: f64(1), 2: str(2), 3: many(msgKeyValue), 4: varint(4)},
	msgLink: {1: traceID(1), 2: spanID(2), 3: str(3), 4: many(msgKeyValue), 5: varint(5),
		6: f32(6)},
	msgStatus: {2: str(2), 3: varint(3)},

	msgResource:  {1: many(msgKeyValue), 2: varint(2), 3: many(msgEntityRef)},
	msgEntityRef: {1: str(1), 2: str(2), 3: str(0), 4: str(0)},
	msgScope:     {1: str(1), 2: str(2), 3: many(msgKeyValue), 4: varint(4)},
	msgKeyValue:  {1: str(1), 2: one(msgValue, 2), 3: varint(3)},
	msgValue: {1: str(1), 2: varint(1), 3: varint(1), 4: f64(1), 5: member(msgArray, 1), 6: member(msgMap, 1),
		7: raw(1), 8: varint(1)},
	msgArray: {1: many(msgValue)},
	msgMap:   {1: many(msgKeyValue)},
}

func root(s Signal) (message, bool) {
	switch s {
	case Metrics:
		return msgMetricsRequest, true
	case Logs:
		return msgLogsRequest, true
	case Traces:
		return msgTracesRequest, true
	}
	return msgNone, false
}

// scopeOf returns the ScopeX of a ResourceX, msgNone for other messages.
func scopeOf(m message) message {
	switch m {
	case msgResourceMetrics, msgResourceLogs, msgResourceSpans:
		return schemas[m][FieldResourceXScope].sub()
	}
	return msgNone
}
