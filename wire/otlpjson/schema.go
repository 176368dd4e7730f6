package otlpjson

type kind uint8

const (
	kindMessage  kind = iota
	kindString        // as it is
	kindID            // bytes, in hex; left out when all are zero
	kindBytes         // base64
	kindBool          // varint
	kindInt32         // varint
	kindSint32        // zigzag varint
	kindUint32        // varint
	kindInt64         // varint, as a string
	kindFixed32       // a number
	kindFixed64       // as a string
	kindSfixed64      // as a string
	kindDouble
	kindPackedUint    // varints, as strings
	kindPackedFixed64 // as strings
	kindPackedDouble
)

type when uint8

const (
	nonzero  when = iota // there, and not zero
	there                // there: a member of a oneof, or an optional field
	always               // a message that is written as {} when it is absent
	repeated             // as an array of all occurrences
)

type row struct {
	number int
	name   string
	kind   kind
	when   when
	sub    message
}

type message uint8

const (
	none message = iota
	logsRequest
	resourceLogs
	scopeLogs
	logRecord
	metricsRequest
	resourceMetrics
	scopeMetrics
	metric
	gauge
	sum
	histogram
	exponential
	summary
	numberPoint
	histogramPoint
	exponentialPoint
	buckets
	summaryPoint
	quantile
	exemplar
	tracesRequest
	resourceSpans
	scopeSpans
	span
	event
	link
	status
	resource
	entityRef
	scope
	keyValue
	anyValue
	arrayValue
	mapValue
	messageCount
)

// messages are the rows of each message in pdata's order (opentelemetry-proto 1.11).
var messages = [messageCount][]row{
	logsRequest: {{1, "resourceLogs", kindMessage, repeated, resourceLogs}},
	resourceLogs: {
		{1, "resource", kindMessage, always, resource},
		{2, "scopeLogs", kindMessage, repeated, scopeLogs},
		{3, "schemaUrl", kindString, nonzero, none},
	},
	scopeLogs: {
		{1, "scope", kindMessage, always, scope},
		{2, "logRecords", kindMessage, repeated, logRecord},
		{3, "schemaUrl", kindString, nonzero, none},
	},
	logRecord: {
		{1, "timeUnixNano", kindFixed64, nonzero, none},
		{11, "observedTimeUnixNano", kindFixed64, nonzero, none},
		{2, "severityNumber", kindInt32, nonzero, none},
		{3, "severityText", kindString, nonzero, none},
		{5, "body", kindMessage, always, anyValue},
		{6, "attributes", kindMessage, repeated, keyValue},
		{7, "droppedAttributesCount", kindUint32, nonzero, none},
		{8, "flags", kindFixed32, nonzero, none},
		{9, "traceId", kindID, nonzero, none},
		{10, "spanId", kindID, nonzero, none},
		{12, "eventName", kindString, nonzero, none},
	},

	metricsRequest: {{1, "resourceMetrics", kindMessage, repeated, resourceMetrics}},
	resourceMetrics: {
		{1, "resource", kindMessage, always, resource},
		{2, "scopeMetrics", kindMessage, repeated, scopeMetrics},
		{3, "schemaUrl", kindString, nonzero, none},
	},
	scopeMetrics: {
		{1, "scope", kindMessage, always, scope},
		{2, "metrics", kindMessage, repeated, metric},
		{3, "schemaUrl", kindString, nonzero, none},
	},
	metric: {
		{1, "name", kindString, nonzero, none},
		{2, "description", kindString, nonzero, none},
		{3, "unit", kindString, nonzero, none},
		{5, "gauge", kindMessage, there, gauge},
		{7, "sum", kindMessage, there, sum},
		{9, "histogram", kindMessage, there, histogram},
		{10, "exponentialHistogram", kindMessage, there, exponential},
		{11, "summary", kindMessage, there, summary},
		{12, "metadata", kindMessage, repeated, keyValue},
	},
	gauge: {{1, "dataPoints", kindMessage, repeated, numberPoint}},
	sum: {
		{1, "dataPoints", kindMessage, repeated, numberPoint},
		{2, "aggregationTemporality", kindInt32, nonzero, none},
		{3, "isMonotonic", kindBool, nonzero, none},
	},
	histogram: {
		{1, "dataPoints", kindMessage, repeated, histogramPoint},
		{2, "aggregationTemporality", kindInt32, nonzero, none},
	},
	exponential: {
		{1, "dataPoints", kindMessage, repeated, exponentialPoint},
		{2, "aggregationTemporality", kindInt32, nonzero, none},
	},
	summary: {{1, "dataPoints", kindMessage, repeated, summaryPoint}},
	numberPoint: {
		{7, "attributes", kindMessage, repeated, keyValue},
		{2, "startTimeUnixNano", kindFixed64, nonzero, none},
		{3, "timeUnixNano", kindFixed64, nonzero, none},
		{4, "asDouble", kindDouble, there, none},
		{6, "asInt", kindSfixed64, there, none},
		{5, "exemplars", kindMessage, repeated, exemplar},
		{8, "flags", kindUint32, nonzero, none},
	},
	histogramPoint: {
		{9, "attributes", kindMessage, repeated, keyValue},
		{2, "startTimeUnixNano", kindFixed64, nonzero, none},
		{3, "timeUnixNano", kindFixed64, nonzero, none},
		{4, "count", kindFixed64, nonzero, none},
		{5, "sum", kindDouble, there, none},
		{6, "bucketCounts", kindPackedFixed64, nonzero, none},
		{7, "explicitBounds", kindPackedDouble, nonzero, none},
		{8, "exemplars", kindMessage, repeated, exemplar},
		{10, "flags", kindUint32, nonzero, none},
		{11, "min", kindDouble, there, none},
		{12, "max", kindDouble, there, none},
	},
	exponentialPoint: {
		{1, "attributes", kindMessage, repeated, keyValue},
		{2, "startTimeUnixNano", kindFixed64, nonzero, none},
		{3, "timeUnixNano", kindFixed64, nonzero, none},
		{4, "count", kindFixed64, nonzero, none},
		{5, "sum", kindDouble, there, none},
		{6, "scale", kindSint32, nonzero, none},
		{7, "zeroCount", kindFixed64, nonzero, none},
		{8, "positive", kindMessage, always, buckets},
		{9, "negative", kindMessage, always, buckets},
		{10, "flags", kindUint32, nonzero, none},
		{11, "exemplars", kindMessage, repeated, exemplar},
		{12, "min", kindDouble, there, none},
		{13, "max", kindDouble, there, none},
		{14, "zeroThreshold", kindDouble, nonzero, none},
	},
	buckets: {
		{1, "offset", kindSint32, nonzero, none},
		{2, "bucketCounts", kindPackedUint, nonzero, none},
	},
	summaryPoint: {
		{7, "attributes", kindMessage, repeated, keyValue},
		{2, "startTimeUnixNano", kindFixed64, nonzero, none},
		{3, "timeUnixNano", kindFixed64, nonzero, none},
		{4, "count", kindFixed64, nonzero, none},
		{5, "sum", kindDouble, nonzero, none},
		{6, "quantileValues", kindMessage, repeated, quantile},
		{8, "flags", kindUint32, nonzero, none},
	},
	quantile: {
		{1, "quantile", kindDouble, nonzero, none},
		{2, "value", kindDouble, nonzero, none},
	},
	exemplar: {
		{7, "filteredAttributes", kindMessage, repeated, keyValue},
		{2, "timeUnixNano", kindFixed64, nonzero, none},
		{3, "asDouble", kindDouble, there, none},
		{6, "asInt", kindSfixed64, there, none},
		{5, "traceId", kindID, nonzero, none},
		{4, "spanId", kindID, nonzero, none},
	},

	tracesRequest: {{1, "resourceSpans", kindMessage, repeated, resourceSpans}},
	resourceSpans: {
		{1, "resource", kindMessage, always, resource},
		{2, "scopeSpans", kindMessage, repeated, scopeSpans},
		{3, "schemaUrl", kindString, nonzero, none},
	},
	scopeSpans: {
		{1, "scope", kindMessage, always, scope},
		{2, "spans", kindMessage, repeated, span},
		{3, "schemaUrl", kindString, nonzero, none},
	},
	span: {
		{1, "traceId", kindID, nonzero, none},
		{2, "spanId", kindID, nonzero, none},
		{3, "traceState", kindString, nonzero, none},
		{4, "parentSpanId", kindID, nonzero, none},
		{16, "flags", kindFixed32, nonzero, none},
		{5, "name", kindString, nonzero, none},
		{6, "kind", kindInt32, nonzero, none},
		{7, "startTimeUnixNano", kindFixed64, nonzero, none},
		{8, "endTimeUnixNano", kindFixed64, nonzero, none},
		{9, "attributes", kindMessage, repeated, keyValue},
		{10, "droppedAttributesCount", kindUint32, nonzero, none},
		{11, "events", kindMessage, repeated, event},
		{12, "droppedEventsCount", kindUint32, nonzero, none},
		{13, "links", kindMessage, repeated, link},
		{14, "droppedLinksCount", kindUint32, nonzero, none},
		{15, "status", kindMessage, always, status},
	},
	event: {
		{1, "timeUnixNano", kindFixed64, nonzero, none},
		{2, "name", kindString, nonzero, none},
		{3, "attributes", kindMessage, repeated, keyValue},
		{4, "droppedAttributesCount", kindUint32, nonzero, none},
	},
	link: {
		{1, "traceId", kindID, nonzero, none},
		{2, "spanId", kindID, nonzero, none},
		{3, "traceState", kindString, nonzero, none},
		{4, "attributes", kindMessage, repeated, keyValue},
		{5, "droppedAttributesCount", kindUint32, nonzero, none},
		{6, "flags", kindFixed32, nonzero, none},
	},
	status: {
		{2, "message", kindString, nonzero, none},
		{3, "code", kindInt32, nonzero, none},
	},

	resource: {
		{1, "attributes", kindMessage, repeated, keyValue},
		{2, "droppedAttributesCount", kindUint32, nonzero, none},
		{3, "entityRefs", kindMessage, repeated, entityRef},
	},
	entityRef: {
		{1, "schemaUrl", kindString, nonzero, none},
		{2, "type", kindString, nonzero, none},
		{3, "idKeys", kindString, repeated, none},
		{4, "descriptionKeys", kindString, repeated, none},
	},
	scope: {
		{1, "name", kindString, nonzero, none},
		{2, "version", kindString, nonzero, none},
		{3, "attributes", kindMessage, repeated, keyValue},
		{4, "droppedAttributesCount", kindUint32, nonzero, none},
	},
	keyValue: {
		{1, "key", kindString, nonzero, none},
		{2, "value", kindMessage, always, anyValue},
		{3, "keyStrindex", kindInt32, nonzero, none},
	},
	anyValue: {
		{1, "stringValue", kindString, there, none},
		{2, "boolValue", kindBool, there, none},
		{3, "intValue", kindInt64, there, none},
		{4, "doubleValue", kindDouble, there, none},
		{5, "arrayValue", kindMessage, there, arrayValue},
		{6, "kvlistValue", kindMessage, there, mapValue},
		{7, "bytesValue", kindBytes, there, none},
		{8, "stringValueStrindex", kindInt32, there, none},
	},
	arrayValue: {{1, "values", kindMessage, repeated, anyValue}},
	mapValue:   {{1, "values", kindMessage, repeated, keyValue}},
}
