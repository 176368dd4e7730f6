package wire

// Field numbers (opentelemetry-proto 1.11). ResourceX stands for ResourceMetrics, ResourceLogs and ResourceSpans,
// ScopeX likewise.
const (
	FieldRequestResource = 1 // ResourceX of a request

	FieldResourceXResource  = 1
	FieldResourceXScope     = 2
	FieldResourceXSchemaURL = 3

	FieldScopeXScope     = 1
	FieldScopeXItem      = 2 // Metric, LogRecord or Span
	FieldScopeXSchemaURL = 3

	FieldResourceAttributes        = 1
	FieldResourceDroppedAttributes = 2
	FieldResourceEntityRefs        = 3

	FieldScopeName              = 1
	FieldScopeVersion           = 2
	FieldScopeAttributes        = 3
	FieldScopeDroppedAttributes = 4
)

// Field numbers of KeyValue, AnyValue, ArrayValue and KeyValueList.
const (
	FieldKeyValueKey   = 1
	FieldKeyValueValue = 2

	FieldValueString = 1
	FieldValueBool   = 2
	FieldValueInt    = 3
	FieldValueDouble = 4
	FieldValueArray  = 5
	FieldValueMap    = 6
	FieldValueBytes  = 7

	FieldArrayValues = 1 // AnyValue
	FieldMapValues   = 1 // KeyValue
)

// Field numbers of LogRecord.
const (
	FieldLogTime              = 1 // fixed64
	FieldLogSeverityNumber    = 2
	FieldLogSeverityText      = 3
	FieldLogBody              = 5
	FieldLogAttributes        = 6
	FieldLogDroppedAttributes = 7
	FieldLogFlags             = 8 // fixed32
	FieldLogTraceID           = 9
	FieldLogSpanID            = 10
	FieldLogObservedTime      = 11 // fixed64
	FieldLogEventName         = 12
)

// Field numbers of Metric and of its five data messages.
const (
	FieldMetricName                 = 1
	FieldMetricDescription          = 2
	FieldMetricUnit                 = 3
	FieldMetricGauge                = 5
	FieldMetricSum                  = 7
	FieldMetricHistogram            = 9
	FieldMetricExponentialHistogram = 10
	FieldMetricSummary              = 11
	FieldMetricMetadata             = 12

	FieldDataPoints      = 1 // of Gauge, Sum, Histogram, ExponentialHistogram, Summary
	FieldDataTemporality = 2 // of Sum, Histogram, ExponentialHistogram
	FieldDataMonotonic   = 3 // of Sum
)

// Field numbers of the data points. Times are fixed64.
const (
	FieldNumberStart      = 2
	FieldNumberTime       = 3
	FieldNumberDouble     = 4
	FieldNumberExemplars  = 5
	FieldNumberInt        = 6 // sfixed64
	FieldNumberAttributes = 7
	FieldNumberFlags      = 8

	FieldHistogramStart      = 2
	FieldHistogramTime       = 3
	FieldHistogramCount      = 4 // fixed64
	FieldHistogramSum        = 5
	FieldHistogramBuckets    = 6 // packed fixed64
	FieldHistogramBounds     = 7 // packed double
	FieldHistogramExemplars  = 8
	FieldHistogramAttributes = 9
	FieldHistogramFlags      = 10
	FieldHistogramMin        = 11
	FieldHistogramMax        = 12

	FieldExponentialAttributes    = 1
	FieldExponentialStart         = 2
	FieldExponentialTime          = 3
	FieldExponentialCount         = 4 // fixed64
	FieldExponentialSum           = 5
	FieldExponentialScale         = 6 // sint32
	FieldExponentialZeroCount     = 7 // fixed64
	FieldExponentialPositive      = 8
	FieldExponentialNegative      = 9
	FieldExponentialFlags         = 10
	FieldExponentialExemplars     = 11
	FieldExponentialMin           = 12
	FieldExponentialMax           = 13
	FieldExponentialZeroThreshold = 14

	FieldBucketsOffset = 1 // sint32
	FieldBucketsCounts = 2 // packed varint

	FieldSummaryStart      = 2
	FieldSummaryTime       = 3
	FieldSummaryCount      = 4 // fixed64
	FieldSummarySum        = 5
	FieldSummaryQuantiles  = 6
	FieldSummaryAttributes = 7
	FieldSummaryFlags      = 8

	FieldQuantileQuantile = 1
	FieldQuantileValue    = 2

	FieldExemplarTime       = 2
	FieldExemplarDouble     = 3
	FieldExemplarSpanID     = 4
	FieldExemplarTraceID    = 5
	FieldExemplarInt        = 6 // sfixed64
	FieldExemplarAttributes = 7
)

// FlagNoRecordedValue marks a data point that ends its series (Prometheus: stale).
const FlagNoRecordedValue = 1

// Field numbers of Span, its events, links and status.
const (
	FieldSpanTraceID           = 1
	FieldSpanSpanID            = 2
	FieldSpanTraceState        = 3
	FieldSpanParentSpanID      = 4
	FieldSpanName              = 5
	FieldSpanKind              = 6
	FieldSpanStart             = 7 // fixed64
	FieldSpanEnd               = 8 // fixed64
	FieldSpanAttributes        = 9
	FieldSpanDroppedAttributes = 10
	FieldSpanEvents            = 11
	FieldSpanDroppedEvents     = 12
	FieldSpanLinks             = 13
	FieldSpanDroppedLinks      = 14
	FieldSpanStatus            = 15
	FieldSpanFlags             = 16 // fixed32

	FieldEventTime              = 1 // fixed64
	FieldEventName              = 2
	FieldEventAttributes        = 3
	FieldEventDroppedAttributes = 4

	FieldLinkTraceID           = 1
	FieldLinkSpanID            = 2
	FieldLinkTraceState        = 3
	FieldLinkAttributes        = 4
	FieldLinkDroppedAttributes = 5
	FieldLinkFlags             = 6 // fixed32

	FieldStatusMessage = 2
	FieldStatusCode    = 3
)
