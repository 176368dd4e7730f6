package wire

import (
	"encoding/binary"
	"math"
)

// Counts is a view of a packed fixed64 field.
type Counts struct{ b []byte }

// Len returns the number of elements.
func (c Counts) Len() int { return len(c.b) / 8 }

// At returns element i.
func (c Counts) At(i int) uint64 { return binary.LittleEndian.Uint64(c.b[8*i:]) }

// Doubles is a view of a packed double field.
type Doubles struct{ b []byte }

// Len returns the number of elements.
func (d Doubles) Len() int { return len(d.b) / 8 }

// At returns element i.
func (d Doubles) At(i int) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(d.b[8*i:]))
}

// A HistogramPoint is a view of a HistogramDataPoint.
type HistogramPoint struct {
	Start, Time, Count     uint64 // times in ns since 1970
	Sum, Min, Max          float64
	Flags                  uint32
	HasSum, HasMin, HasMax bool
	BucketCounts           Counts  // one more than bounds, or none
	ExplicitBounds         Doubles // upper bounds, inclusive
	body                   []byte
}

// ParseHistogramPoint reads a HistogramDataPoint body.
func ParseHistogramPoint(b []byte) HistogramPoint {
	p := HistogramPoint{body: b}
	for pos := 0; pos < len(b); {
		var v uint64
		switch b[pos] {
		case FieldHistogramStart<<3 | TypeFixed64:
			p.Start, pos = fixed64(b, pos+1)
		case FieldHistogramTime<<3 | TypeFixed64:
			p.Time, pos = fixed64(b, pos+1)
		case FieldHistogramCount<<3 | TypeFixed64:
			p.Count, pos = fixed64(b, pos+1)
		case FieldHistogramSum<<3 | TypeFixed64:
			v, pos = fixed64(b, pos+1)
			p.Sum, p.HasSum = math.Float64frombits(v), true
		case FieldHistogramBuckets<<3 | TypeBytes:
			p.BucketCounts.b, pos = view(b, pos+1)
		case FieldHistogramBounds<<3 | TypeBytes:
			p.ExplicitBounds.b, pos = view(b, pos+1)
		case FieldHistogramFlags<<3 | TypeVarint:
			v, pos = uvarint(b, pos+1)
			p.Flags = uint32(v)
		case FieldHistogramMin<<3 | TypeFixed64:
			v, pos = fixed64(b, pos+1)
			p.Min, p.HasMin = math.Float64frombits(v), true
		case FieldHistogramMax<<3 | TypeFixed64:
			v, pos = fixed64(b, pos+1)
			p.Max, p.HasMax = math.Float64frombits(v), true
		default:
			pos = skip(b, pos)
		}
	}
	return p
}

// Attributes returns a cursor over the attributes of the point.
func (p HistogramPoint) Attributes() Attributes {
	return attributes(p.body, FieldHistogramAttributes)
}

// Exemplars returns a cursor over the exemplars of the point.
func (p HistogramPoint) Exemplars() Exemplars { return exemplars(p.body, FieldHistogramExemplars) }

// An ExponentialHistogramPoint is a view of an ExponentialHistogramDataPoint.
type ExponentialHistogramPoint struct {
	Start, Time, Count     uint64 // times in ns since 1970
	ZeroCount              uint64
	Sum, Min, Max          float64
	ZeroThreshold          float64
	Scale                  int32
	Flags                  uint32
	HasSum, HasMin, HasMax bool
	Positive, Negative     Buckets
	body                   []byte
}

// ParseExponentialHistogramPoint reads the body of a point.
func ParseExponentialHistogramPoint(b []byte) ExponentialHistogramPoint {
	p := ExponentialHistogramPoint{body: b}
	for pos := 0; pos < len(b); {
		var v uint64
		var s []byte
		switch b[pos] {
		case FieldExponentialStart<<3 | TypeFixed64:
			p.Start, pos = fixed64(b, pos+1)
		case FieldExponentialTime<<3 | TypeFixed64:
			p.Time, pos = fixed64(b, pos+1)
		case FieldExponentialCount<<3 | TypeFixed64:
			p.Count, pos = fixed64(b, pos+1)
		case FieldExponentialSum<<3 | TypeFixed64:
			v, pos = fixed64(b, pos+1)
			p.Sum, p.HasSum = math.Float64frombits(v), true
		case FieldExponentialScale<<3 | TypeVarint:
			v, pos = uvarint(b, pos+1)
			p.Scale = zigzag(v)
		case FieldExponentialZeroCount<<3 | TypeFixed64:
			p.ZeroCount, pos = fixed64(b, pos+1)
		case FieldExponentialPositive<<3 | TypeBytes:
			s, pos = view(b, pos+1)
			p.Positive = parseBuckets(s)
		case FieldExponentialNegative<<3 | TypeBytes:
			s, pos = view(b, pos+1)
			p.Negative = parseBuckets(s)
		case FieldExponentialFlags<<3 | TypeVarint:
			v, pos = uvarint(b, pos+1)
			p.Flags = uint32(v)
		case FieldExponentialMin<<3 | TypeFixed64:
			v, pos = fixed64(b, pos+1)
			p.Min, p.HasMin = math.Float64frombits(v), true
		case FieldExponentialMax<<3 | TypeFixed64:
			v, pos = fixed64(b, pos+1)
			p.Max, p.HasMax = math.Float64frombits(v), true
		case FieldExponentialZeroThreshold<<3 | TypeFixed64:
			v, pos = fixed64(b, pos+1)
			p.ZeroThreshold = math.Float64frombits(v)
		default:
			pos = skip(b, pos)
		}
	}
	return p
}

// Attributes returns a cursor over the attributes of the point.
func (p ExponentialHistogramPoint) Attributes() Attributes {
	return attributes(p.body, FieldExponentialAttributes)
}

// Exemplars returns a cursor over the exemplars of the point.
func (p ExponentialHistogramPoint) Exemplars() Exemplars {
	return exemplars(p.body, FieldExponentialExemplars)
}

// Buckets is a view of one side of an exponential histogram.
type Buckets struct {
	Offset int32
	counts []byte
}

func parseBuckets(b []byte) Buckets {
	var k Buckets
	for pos := 0; pos < len(b); {
		switch b[pos] {
		case FieldBucketsOffset<<3 | TypeVarint:
			var v uint64
			v, pos = uvarint(b, pos+1)
			k.Offset = zigzag(v)
		case FieldBucketsCounts<<3 | TypeBytes:
			k.counts, pos = view(b, pos+1)
		default:
			pos = skip(b, pos)
		}
	}
	return k
}

// Len returns the number of buckets, in a pass over them.
func (k Buckets) Len() int {
	n := 0
	for _, c := range k.counts {
		if c < 0x80 {
			n++
		}
	}
	return n
}

// Counts returns a cursor over the counts, from the bucket at Offset.
func (k Buckets) Counts() BucketCounts { return BucketCounts{b: k.counts} }

// BucketCounts walks a packed varint field.
type BucketCounts struct {
	b   []byte
	pos int
	v   uint64
}

// Next moves to the next count.
func (c *BucketCounts) Next() bool {
	if c.pos >= len(c.b) {
		return false
	}
	c.v, c.pos = uvarint(c.b, c.pos)
	return true
}

// Value returns the current count.
func (c *BucketCounts) Value() uint64 { return c.v }

// A SummaryPoint is a view of a SummaryDataPoint.
type SummaryPoint struct {
	Start, Time, Count uint64 // times in ns since 1970
	Sum                float64
	Flags              uint32
	body               []byte
}

// ParseSummaryPoint reads a SummaryDataPoint body.
func ParseSummaryPoint(b []byte) SummaryPoint {
	p := SummaryPoint{body: b}
	for pos := 0; pos < len(b); {
		var v uint64
		switch b[pos] {
		case FieldSummaryStart<<3 | TypeFixed64:
			p.Start, pos = fixed64(b, pos+1)
		case FieldSummaryTime<<3 | TypeFixed64:
			p.Time, pos = fixed64(b, pos+1)
		case FieldSummaryCount<<3 | TypeFixed64:
			p.Count, pos = fixed64(b, pos+1)
		case FieldSummarySum<<3 | TypeFixed64:
			v, pos = fixed64(b, pos+1)
			p.Sum = math.Float64frombits(v)
		case FieldSummaryFlags<<3 | TypeVarint:
			v, pos = uvarint(b, pos+1)
			p.Flags = uint32(v)
		default:
			pos = skip(b, pos)
		}
	}
	return p
}

// Attributes returns a cursor over the attributes of the point.
func (p SummaryPoint) Attributes() Attributes { return attributes(p.body, FieldSummaryAttributes) }

// Quantiles returns a cursor over the quantiles of the point.
func (p SummaryPoint) Quantiles() Quantiles {
	return Quantiles{list: list{b: p.body, tag: FieldSummaryQuantiles<<3 | TypeBytes}}
}

// Quantiles walks the quantiles of a summary point.
type Quantiles struct {
	list
	quantile, value float64
}

// Next moves to the next quantile.
func (c *Quantiles) Next() bool {
	if !c.next() {
		return false
	}
	b := c.body()
	c.quantile, c.value = 0, 0
	for pos := 0; pos < len(b); {
		var v uint64
		switch b[pos] {
		case FieldQuantileQuantile<<3 | TypeFixed64:
			v, pos = fixed64(b, pos+1)
			c.quantile = math.Float64frombits(v)
		case FieldQuantileValue<<3 | TypeFixed64:
			v, pos = fixed64(b, pos+1)
			c.value = math.Float64frombits(v)
		default:
			pos = skip(b, pos)
		}
	}
	return true
}

// Quantile returns the quantile, between 0 and 1.
func (c *Quantiles) Quantile() float64 { return c.quantile }

// Value returns the value at the quantile.
func (c *Quantiles) Value() float64 { return c.value }
