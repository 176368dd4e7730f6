package ottl

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/wire"
)

func schemaURL(s slot) place {
	return place{
		fixed: "a schema URL can only be read",
		get: func(r *record) (value, error) {
			if s == slotScope {
				return textValue(wire.FindBytes(r.scopeX, wire.FieldScopeXSchemaURL)), nil
			}
			return textValue(wire.FindBytes(r.resourceX, wire.FieldResourceXSchemaURL)), nil
		},
	}
}

func body(s slot) place {
	return place{
		get: func(r *record) (value, error) { return fromWire(bodyOf(r, s)), nil },
		set: func(r *record, v value) error { return setBody(r, s, nil, v) },
	}
}

func bodyOf(r *record, s slot) wire.Value {
	return wire.ParseValue(r.at(s).FindBytes(wire.FieldLogBody))
}

func setBody(r *record, s slot, keys []key, v value) error {
	old := r.at(s).FindBytes(wire.FieldLogBody)
	out, err := r.put(old, keys, v)
	if len(keys) == 0 && err != nil {
		return err
	}
	r.write(s, wire.AppendBytes(r.arena, wire.FieldLogBody, out), len(r.arena))
	return err
}

func bodyAt(s slot, keys []key) place {
	return place{
		get: func(r *record) (value, error) {
			v := fromWire(bodyOf(r, s))
			if v.kind != kindMap && v.kind != kindSlice {
				return value{}, errBodyIndex
			}
			return r.into(v, keys)
		},
		set: func(r *record, v value) error {
			if k := bodyOf(r, s).Kind(); k != wire.ValueMap && k != wire.ValueArray {
				return errBodyIndex
			}
			return setBody(r, s, keys, v)
		},
	}
}

func bodyText(s slot) place {
	return place{
		get: func(r *record) (value, error) {
			w := bodyOf(r, s)
			if w.Kind() == wire.ValueString {
				return textValue(w.Str()), nil
			}
			mark := len(r.arena)
			return textValue(r.keep(w.AppendText(r.arena), mark)), nil
		},
		set: func(r *record, v value) error {
			if v.kind != kindString {
				return v.must(kindString)
			}
			return setBody(r, s, nil, v)
		},
	}
}

// cache is the map that statements of one block share for one record.
func cache(keys []key) place {
	return place{
		get: func(r *record) (value, error) { return r.into(mapValue(r.cache), keys) },
		set: func(r *record, v value) error {
			if len(keys) == 0 && v.kind != kindMap {
				return v.must(kindMap)
			}
			mark := len(r.arena)
			old := r.keep(wire.AppendBytes(r.arena, wire.FieldValueMap, r.cache), mark)
			out, err := r.put(old, keys, v)
			r.cache = wire.ParseValue(out).Payload() // in the arena, which lives as long
			return err
		},
	}
}

var errSpanKind = errors.New("unknown span kind")

func spanKindText(names ...string) func(slot) place {
	return func(s slot) place {
		n := intField(s, wire.FieldSpanKind, enum)
		return place{
			get: func(r *record) (value, error) {
				if k := r.number(s, wire.FieldSpanKind); k < uint64(len(names)) {
					return textValue([]byte(names[k])), nil
				}
				return textValue(nil), nil
			},
			set: func(r *record, v value) error {
				if v.kind != kindString {
					return v.must(kindString)
				}
				k := slices.Index(names, string(v.b))
				if k < 0 {
					return errSpanKind
				}
				return n.set(r, intValue(int64(k)))
			},
		}
	}
}

// setIn replaces a field, given framed, in a message within the item.
func (r *record) setIn(s slot, outer, number int, framed []byte) {
	mark := len(r.arena)
	out, inner := wire.BeginMessage(r.arena, outer)
	for f := wire.MessageFields(r.at(s).FindBytes(outer)); f.Next(); {
		if f.Number() != number {
			out = append(out, f.Framed()...)
		}
	}
	out = wire.EndMessage(append(out, framed...), inner)
	r.write(s, out, mark)
}

func statusCode(s slot) place {
	return place{
		get: func(r *record) (value, error) {
			n, _ := wire.FindNumber(r.at(s).FindBytes(wire.FieldSpanStatus), wire.FieldStatusCode)
			return intValue(int64(int32(n))), nil
		},
		set: func(r *record, v value) error {
			if v.kind != kindInt {
				return v.must(kindInt)
			}
			mark := len(r.arena)
			r.setIn(s, wire.FieldSpanStatus, wire.FieldStatusCode, r.keep(enum.append(r.arena, wire.FieldStatusCode, v.int()), mark))
			return nil
		},
	}
}

func statusMessage(s slot) place {
	return place{
		get: func(r *record) (value, error) {
			return textValue(wire.FindBytes(r.at(s).FindBytes(wire.FieldSpanStatus), wire.FieldStatusMessage)), nil
		},
		set: func(r *record, v value) error {
			if v.kind != kindString {
				return v.must(kindString)
			}
			mark := len(r.arena)
			r.setIn(s, wire.FieldSpanStatus, wire.FieldStatusMessage, r.keep(wire.AppendBytes(r.arena, wire.FieldStatusMessage, v.b), mark))
			return nil
		},
	}
}

func eventIndex(slot) place {
	return place{
		fixed: "event_index can only be read",
		get:   func(r *record) (value, error) { return intValue(int64(r.eventIndex)), nil },
	}
}

func (r *record) metric(s slot) []byte {
	if s == slotMetric {
		return r.item.Metric()
	}
	return r.at(s).Bytes()
}

func metricType(s slot) place {
	return place{
		fixed: "the type of a metric can only be read",
		get: func(r *record) (value, error) {
			return intValue(int64(wire.ParseMetric(r.metric(s)).Type)), nil
		},
	}
}

// dataFields are the fields of a Metric with its data, by type.
var dataFields = [...]int{wire.MetricGauge: wire.FieldMetricGauge, wire.MetricSum: wire.FieldMetricSum,
	wire.MetricHistogram: wire.FieldMetricHistogram, wire.MetricExponentialHistogram: wire.FieldMetricExponentialHistogram,
	wire.MetricSummary: wire.FieldMetricSummary}

func temporality(s slot) place {
	return place{
		get: func(r *record) (value, error) {
			m := wire.ParseMetric(r.metric(s))
			switch m.Type {
			case wire.MetricSum, wire.MetricHistogram, wire.MetricExponentialHistogram:
				return intValue(int64(m.Temporality)), nil
			}
			return value{}, nil
		},
		set: func(r *record, v value) error {
			if v.kind != kindInt {
				return v.must(kindInt)
			}
			switch t := wire.ParseMetric(r.metric(s)).Type; t {
			case wire.MetricSum, wire.MetricHistogram, wire.MetricExponentialHistogram:
				mark := len(r.arena)
				r.setIn(s, dataFields[t], wire.FieldDataTemporality, r.keep(enum.append(r.arena, wire.FieldDataTemporality, v.int()), mark))
			}
			return nil
		},
	}
}

func monotonic(s slot) place {
	return place{
		get: func(r *record) (value, error) {
			if m := wire.ParseMetric(r.metric(s)); m.Type == wire.MetricSum {
				return boolValue(m.Monotonic), nil
			}
			return value{}, nil
		},
		set: func(r *record, v value) error {
			if v.kind != kindBool {
				return v.must(kindBool)
			}
			if wire.ParseMetric(r.metric(s)).Type == wire.MetricSum {
				mark := len(r.arena)
				r.setIn(s, wire.FieldMetricSum, wire.FieldDataMonotonic, r.keep(wire.AppendBool(r.arena, wire.FieldDataMonotonic, v.bool()), mark))
			}
			return nil
		},
	}
}

func metadata(s slot) place {
	if s == slotMetric {
		return place{get: func(r *record) (value, error) {
			return value{b: r.item.Metric(), kind: kindMap, tag: wire.FieldMetricMetadata<<3 | wire.TypeBytes}, nil
		}}
	}
	return attributes(s)
}

func metadataAt(s slot, keys []key) place {
	if s == slotMetric {
		all := metadata(s)
		return place{fixed: "the metric of a data point can only be read; set it in the context metric",
			get: func(r *record) (value, error) {
				v, _ := all.get(r)
				return r.into(v, keys)
			}}
	}
	return attribute(s, keys)
}

// A pointValue is a field that data points of several types have, under different numbers.
type pointValue struct {
	name   string
	number [6]int // by wire.MetricType; 0 for none
	code   encoding
}

var (
	pointStart  = pointValue{"start time", [6]int{0, 2, 2, 2, 2, 2}, fixed64}
	pointTime   = pointValue{"time", [6]int{0, 3, 3, 3, 3, 3}, fixed64}
	pointFlags  = pointValue{"flags", [6]int{0, 8, 8, 10, 10, 8}, count32}
	pointCount  = pointValue{"count", [6]int{0, 0, 0, 4, 4, 4}, fixed64}
	pointSum    = pointValue{"sum", [6]int{0, 0, 0, 5, 5, 5}, fixed64}
	pointDouble = pointValue{"double value", [6]int{0, 4, 4, 0, 0, 0}, fixed64}
	pointInt    = pointValue{"integer value", [6]int{0, 6, 6, 0, 0, 0}, fixed64}
)

func pointField(p pointValue, k kind) field {
	errNone := fmt.Errorf("a data point of this type has no %s", p.name)
	return field{plain: func(s slot) place {
		return place{
			get: func(r *record) (value, error) {
				number := p.number[r.item.MetricType()]
				if number == 0 {
					return value{}, nil
				}
				return value{n: uint64(p.code.read(r.number(s, number))), kind: k}, nil
			},
			set: func(r *record, v value) error {
				if v.kind != k {
					return v.must(k)
				}
				number := p.number[r.item.MetricType()]
				if number == 0 {
					return errNone
				}
				r.write(s, p.code.append(r.arena, number, int64(v.n)), len(r.arena))
				return nil
			},
		}
	}}
}
