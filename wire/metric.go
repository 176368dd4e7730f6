package wire

import "math"

// A MetricType is the type of a Metric's data.
type MetricType uint8

// The types. A metric without data is MetricNone.
const (
	MetricNone MetricType = iota
	MetricGauge
	MetricSum
	MetricHistogram
	MetricExponentialHistogram
	MetricSummary
)

// String returns the type in words.
func (t MetricType) String() string {
	switch t {
	case MetricGauge:
		return "gauge"
	case MetricSum:
		return "sum"
	case MetricHistogram:
		return "histogram"
	case MetricExponentialHistogram:
		return "exponential histogram"
	case MetricSummary:
		return "summary"
	}
	return "none"
}

// Aggregation temporalities.
const (
	TemporalityDelta      = 1
	TemporalityCumulative = 2
)

// A Metric is a view of a Metric. Gauges and summaries have no temporality.
type Metric struct {
	Name, Description, Unit []byte
	Type                    MetricType
	Monotonic               bool
	Temporality             int32
	data                    []byte // body of the data message
	metadata                []byte // from the first metadata entry on
}

// ParseMetric reads a Metric body.
func ParseMetric(item []byte) Metric {
	m := Metric{}
	first := -1
	for pos := 0; pos < len(item); {
		switch item[pos] {
		case FieldMetricName<<3 | TypeBytes:
			m.Name, pos = view(item, pos+1)
		case FieldMetricDescription<<3 | TypeBytes:
			m.Description, pos = view(item, pos+1)
		case FieldMetricUnit<<3 | TypeBytes:
			m.Unit, pos = view(item, pos+1)
		case FieldMetricGauge<<3 | TypeBytes:
			m.Type = MetricGauge
			m.data, pos = view(item, pos+1)
		case FieldMetricSum<<3 | TypeBytes:
			m.Type = MetricSum
			m.data, pos = view(item, pos+1)
		case FieldMetricHistogram<<3 | TypeBytes:
			m.Type = MetricHistogram
			m.data, pos = view(item, pos+1)
		case FieldMetricExponentialHistogram<<3 | TypeBytes:
			m.Type = MetricExponentialHistogram
			m.data, pos = view(item, pos+1)
		case FieldMetricSummary<<3 | TypeBytes:
			m.Type = MetricSummary
			m.data, pos = view(item, pos+1)
		case FieldMetricMetadata<<3 | TypeBytes:
			if first < 0 {
				first = pos
			}
			_, pos = view(item, pos+1)
		default:
			pos = skip(item, pos)
		}
	}
	if first >= 0 {
		m.metadata = item[first:]
	}
	switch m.Type {
	case MetricSum, MetricHistogram, MetricExponentialHistogram:
		m.parseData()
	}
	return m
}

// parseData reads the fields beside the points. Encoders put them last, so it walks the whole message, about 1 ns a
// point.
func (m *Metric) parseData() {
	for pos := 0; pos < len(m.data); {
		var v uint64
		switch m.data[pos] {
		case FieldDataTemporality<<3 | TypeVarint:
			v, pos = uvarint(m.data, pos+1)
			m.Temporality = int32(v)
		case FieldDataMonotonic<<3 | TypeVarint:
			v, pos = uvarint(m.data, pos+1)
			m.Monotonic = v != 0 && m.Type == MetricSum
		default:
			pos = skip(m.data, pos)
		}
	}
}

// Metadata returns a cursor over the metadata of the metric.
func (m Metric) Metadata() Attributes { return attributes(m.metadata, FieldMetricMetadata) }

// Points returns a cursor over the data points.
func (m Metric) Points() Points {
	return Points{list{b: m.data, tag: FieldDataPoints<<3 | TypeBytes}}
}

// Points walks the data points of a metric. Its type says which Parse function to use.
type Points struct{ list }

// Next moves to the next point.
func (c *Points) Next() bool { return c.next() }

// Bytes returns the body of the current point.
func (c *Points) Bytes() []byte { return c.body() }

// A NumberPoint is a view of a NumberDataPoint (gauges and sums).
type NumberPoint struct {
	Start, Time uint64 // ns since 1970
	Double      float64
	Int         int64
	Flags       uint32
	IsInt       bool // Int holds the value, else Double
	HasValue    bool
	attrs       []byte
	exemplars   []byte
}

// ParseNumberPoint reads a NumberDataPoint body.
func ParseNumberPoint(b []byte) (p NumberPoint) {
	var attrs, exemplars run
	for pos := 0; pos < len(b); {
		at, tag := pos, b[pos]
		pos++
		var v uint64
		switch tag {
		case FieldNumberAttributes<<3 | TypeBytes:
			pos = skip(b, at)
			attrs.add(at, pos)
		case FieldNumberStart<<3 | TypeFixed64:
			p.Start, pos = fixed64(b, pos)
		case FieldNumberTime<<3 | TypeFixed64:
			p.Time, pos = fixed64(b, pos)
		case FieldNumberDouble<<3 | TypeFixed64:
			v, pos = fixed64(b, pos)
			p.Double, p.HasValue = math.Float64frombits(v), true
		case FieldNumberInt<<3 | TypeFixed64:
			v, pos = fixed64(b, pos)
			p.Int, p.IsInt, p.HasValue = int64(v), true, true
		case FieldNumberFlags<<3 | TypeVarint:
			v, pos = uvarint(b, pos)
			p.Flags = uint32(v)
		case FieldNumberExemplars<<3 | TypeBytes:
			pos = skip(b, at)
			exemplars.add(at, pos)
		default:
			pos = skip(b, at)
		}
	}
	p.attrs, p.exemplars = attrs.of(b), exemplars.of(b)
	return p
}

// Value returns the value as a float64.
func (p NumberPoint) Value() float64 {
	if p.IsInt {
		return float64(p.Int)
	}
	return p.Double
}

// Attributes returns a cursor over the attributes of the point.
func (p NumberPoint) Attributes() Attributes { return attributes(p.attrs, FieldNumberAttributes) }

// Exemplars returns a cursor over the exemplars of the point.
func (p NumberPoint) Exemplars() Exemplars { return exemplars(p.exemplars, FieldNumberExemplars) }

// Exemplars walks the exemplars of a point.
type Exemplars struct{ list }

func exemplars(body []byte, field int) Exemplars {
	return Exemplars{list{b: body, tag: byte(field<<3 | TypeBytes)}}
}

// Next moves to the next exemplar.
func (c *Exemplars) Next() bool { return c.next() }

// Bytes returns the body of the current exemplar.
func (c *Exemplars) Bytes() []byte { return c.body() }

// Exemplar reads the current exemplar.
func (c *Exemplars) Exemplar() Exemplar { return ParseExemplar(c.body()) }

// An Exemplar is a view of an Exemplar.
type Exemplar struct {
	Time            uint64 // ns since 1970
	Double          float64
	Int             int64
	TraceID, SpanID []byte // 16 and 8 bytes, or empty
	IsInt           bool   // Int holds the value, else Double
	HasValue        bool
	body            []byte
}

// ParseExemplar reads an Exemplar body.
func ParseExemplar(b []byte) Exemplar {
	e := Exemplar{body: b}
	for pos := 0; pos < len(b); {
		var v uint64
		switch b[pos] {
		case FieldExemplarTime<<3 | TypeFixed64:
			e.Time, pos = fixed64(b, pos+1)
		case FieldExemplarDouble<<3 | TypeFixed64:
			v, pos = fixed64(b, pos+1)
			e.Double, e.HasValue = math.Float64frombits(v), true
		case FieldExemplarInt<<3 | TypeFixed64:
			v, pos = fixed64(b, pos+1)
			e.Int, e.IsInt, e.HasValue = int64(v), true, true
		case FieldExemplarTraceID<<3 | TypeBytes:
			e.TraceID, pos = view(b, pos+1)
		case FieldExemplarSpanID<<3 | TypeBytes:
			e.SpanID, pos = view(b, pos+1)
		default:
			pos = skip(b, pos)
		}
	}
	return e
}

// Value returns the value as a float64.
func (e Exemplar) Value() float64 {
	if e.IsInt {
		return float64(e.Int)
	}
	return e.Double
}

// Attributes returns a cursor over the filtered attributes of the exemplar.
func (e Exemplar) Attributes() Attributes { return attributes(e.body, FieldExemplarAttributes) }
