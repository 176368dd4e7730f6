package wire

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
)

func TestAppendVarint(t *testing.T) {
	for _, v := range []uint64{0, 1, 127, 128, 300, 1<<14 - 1, 1 << 14, 1 << 35, math.MaxInt64, math.MaxUint64} {
		got := AppendVarint([]byte("x"), v)
		if want := binary.AppendUvarint([]byte("x"), v); !bytes.Equal(got, want) || SizeVarint(v) != len(want)-1 {
			t.Errorf("%d: %x, size %d, want %x", v, got, SizeVarint(v), want)
		}
		if back, end := longUvarint(got, 1); back != v || end != len(got) {
			t.Errorf("%d reads as %d", v, back)
		}
	}
}

// Messages of unknown length, nested, around every size at which a length takes a byte more.
func TestBeginEndMessage(t *testing.T) {
	for _, n := range []int{0, 1, 100, 121, 122, 123, 124, 125, 126, 127, 128, 129, 1000, 1<<14 - 4, 1<<14 - 1, 1 << 14, 1 << 21} {
		body := bytes.Repeat([]byte("b"), n)
		dst, outer := BeginMessage([]byte("before"), 20)
		dst = AppendUint(dst, 1, 7)
		dst, inner := BeginMessage(dst, 2)
		dst = EndMessage(append(dst, body...), inner)
		dst = EndMessage(AppendUint(dst, 3, 9), outer)
		want := AppendUint(AppendBytes(AppendUint(nil, 1, 7), 2, body), 3, 9)
		if want = AppendBytes([]byte("before"), 20, want); !bytes.Equal(dst, want) {
			t.Errorf("body of %d bytes: got %d bytes, want %d", n, len(dst), len(want))
		}
	}
}

// What the append functions build is what the protobuf library builds.
func TestBuildLogs(t *testing.T) {
	value := func(v *common.AnyValue) *common.AnyValue { return v }
	want := &collogs.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{
			{Key: "service.name", Value: value(&common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: "x"}})},
			{Key: "n", Value: value(&common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: -5}})},
			{Key: "f", Value: value(&common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: 1.5}})},
			{Key: "", Value: value(&common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: true}})},
			{Key: "bytes", Value: value(&common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: "y"}})},
		}},
		ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{{
			TimeUnixNano: 7, SeverityNumber: 9, Flags: 3, Body: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: "body"}},
		}}}},
	}}}
	var b []byte
	b, rl := BeginMessage(b, FieldRequestResource)
	b, res := BeginMessage(b, FieldResourceXResource)
	b = AppendStringAttribute(b, FieldResourceAttributes, "service.name", "x")
	b = AppendIntAttribute(b, FieldResourceAttributes, "n", -5)
	b = AppendDoubleAttribute(b, FieldResourceAttributes, "f", 1.5)
	b = AppendBoolAttribute(b, FieldResourceAttributes, "", true)
	b = AppendBytesAttribute(b, FieldResourceAttributes, "bytes", []byte("y"))
	b = EndMessage(b, res)
	b, sl := BeginMessage(b, FieldResourceXScope)
	b, rec := BeginMessage(b, FieldScopeXItem)
	b = AppendFixed64(b, FieldLogTime, 7)
	b = AppendUint(b, FieldLogSeverityNumber, 9)
	b = AppendBytes(b, FieldLogBody, AppendString(nil, FieldValueString, "body"))
	b = AppendFixed32(b, FieldLogFlags, 3)
	b = EndMessage(EndMessage(EndMessage(b, rec), sl), rl)
	got := &collogs.ExportLogsServiceRequest{}
	if err := proto.Unmarshal(b, got); err != nil || !proto.Equal(got, want) {
		t.Errorf("%v\ngot  %v\nwant %v", err, got, want)
	}
	compare(t, Logs, b)
}

func TestBuildHistograms(t *testing.T) {
	want := &colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{
		ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{
			{Data: &metrics.Metric_Histogram{Histogram: &metrics.Histogram{DataPoints: []*metrics.HistogramDataPoint{{
				BucketCounts: []uint64{1, 2, math.MaxUint64}, ExplicitBounds: []float64{0.5, math.Inf(1)}, Sum: proto.Float64(2)}}}}},
			{Data: &metrics.Metric_ExponentialHistogram{ExponentialHistogram: &metrics.ExponentialHistogram{
				DataPoints: []*metrics.ExponentialHistogramDataPoint{{Scale: -3, Negative: &metrics.ExponentialHistogramDataPoint_Buckets{
					Offset: math.MinInt32, BucketCounts: []uint64{0, 128, 1 << 40}}}}}}},
			{Data: &metrics.Metric_Sum{Sum: &metrics.Sum{IsMonotonic: true}}},
		}}},
	}}}
	point := AppendDouble(nil, FieldHistogramSum, 2)
	point = AppendPackedFixed64(point, FieldHistogramBuckets, []uint64{1, 2, math.MaxUint64})
	point = AppendPackedDouble(point, FieldHistogramBounds, []float64{0.5, math.Inf(1)})
	buckets := AppendSint(nil, FieldBucketsOffset, math.MinInt32)
	buckets = AppendPackedUint(buckets, FieldBucketsCounts, []uint64{0, 128, 1 << 40})
	exponential := AppendBytes(AppendSint(nil, FieldExponentialScale, -3), FieldExponentialNegative, buckets)
	scope := AppendBytes(nil, FieldScopeXItem, AppendBytes(nil, FieldMetricHistogram, AppendBytes(nil, FieldDataPoints, point)))
	scope = AppendBytes(scope, FieldScopeXItem,
		AppendBytes(nil, FieldMetricExponentialHistogram, AppendBytes(nil, FieldDataPoints, exponential)))
	scope = AppendBytes(scope, FieldScopeXItem, AppendBytes(nil, FieldMetricSum, AppendBool(nil, FieldDataMonotonic, true)))
	b := AppendBytes(nil, FieldRequestResource, AppendBytes(nil, FieldResourceXScope, scope))
	got := &colmetrics.ExportMetricsServiceRequest{}
	if err := proto.Unmarshal(b, got); err != nil || !proto.Equal(got, want) {
		t.Errorf("%v\ngot  %v\nwant %v", err, got, want)
	}
	compare(t, Metrics, b)
}
