package wire

import (
	"bytes"
	"slices"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// A pdataItem is what an edit sees of an item: its attributes, and the setter of a text or number.
type pdataItem struct {
	attributes pcommon.Map
	set        func(text string)
}

// pdataRemoveIf calls f for each item of a request, of metrics for its data points or the metrics themselves, and
// removes those for which it returns true as the Collector's processors do: parents that become empty go, too.
func pdataRemoveIf(p pdataRequest, metrics bool, f func(pdataItem) bool) {
	switch p := p.(type) {
	case plogotlp.ExportRequest:
		p.Logs().ResourceLogs().RemoveIf(func(r plog.ResourceLogs) bool {
			n := r.ScopeLogs().Len()
			r.ScopeLogs().RemoveIf(func(s plog.ScopeLogs) bool {
				n := s.LogRecords().Len()
				s.LogRecords().RemoveIf(func(l plog.LogRecord) bool { return f(pdataItem{l.Attributes(), l.SetSeverityText}) })
				return n > 0 && s.LogRecords().Len() == 0
			})
			return n > 0 && r.ScopeLogs().Len() == 0
		})
	case ptraceotlp.ExportRequest:
		p.Traces().ResourceSpans().RemoveIf(func(r ptrace.ResourceSpans) bool {
			n := r.ScopeSpans().Len()
			r.ScopeSpans().RemoveIf(func(s ptrace.ScopeSpans) bool {
				n := s.Spans().Len()
				s.Spans().RemoveIf(func(sp ptrace.Span) bool { return f(pdataItem{sp.Attributes(), sp.SetName}) })
				return n > 0 && s.Spans().Len() == 0
			})
			return n > 0 && r.ScopeSpans().Len() == 0
		})
	case pmetricotlp.ExportRequest:
		p.Metrics().ResourceMetrics().RemoveIf(func(r pmetric.ResourceMetrics) bool {
			n := r.ScopeMetrics().Len()
			r.ScopeMetrics().RemoveIf(func(s pmetric.ScopeMetrics) bool {
				n := s.Metrics().Len()
				s.Metrics().RemoveIf(func(m pmetric.Metric) bool {
					if metrics {
						return f(pdataItem{m.Metadata(), m.SetName})
					}
					return removePoints(m, f)
				})
				return n > 0 && s.Metrics().Len() == 0
			})
			return n > 0 && r.ScopeMetrics().Len() == 0
		})
	}
}

// removePoints is pdataRemoveIf for the points of one metric, and reports whether it became empty.
func removePoints(m pmetric.Metric, f func(pdataItem) bool) bool {
	number := func(ps pmetric.NumberDataPointSlice) (int, int) {
		n := ps.Len()
		ps.RemoveIf(func(p pmetric.NumberDataPoint) bool {
			return f(pdataItem{p.Attributes(), func(text string) { p.SetIntValue(int64(len(text))) }})
		})
		return n, ps.Len()
	}
	before, after := 0, 0
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		before, after = number(m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		before, after = number(m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		ps := m.Histogram().DataPoints()
		before = ps.Len()
		ps.RemoveIf(func(p pmetric.HistogramDataPoint) bool { return f(pdataItem{attributes: p.Attributes()}) })
		after = ps.Len()
	case pmetric.MetricTypeExponentialHistogram:
		ps := m.ExponentialHistogram().DataPoints()
		before = ps.Len()
		ps.RemoveIf(func(p pmetric.ExponentialHistogramDataPoint) bool { return f(pdataItem{attributes: p.Attributes()}) })
		after = ps.Len()
	case pmetric.MetricTypeSummary:
		ps := m.Summary().DataPoints()
		before = ps.Len()
		ps.RemoveIf(func(p pmetric.SummaryDataPoint) bool { return f(pdataItem{attributes: p.Attributes()}) })
		after = ps.Len()
	}
	return before > 0 && after == 0
}

// applyPdata does the steps of a plan with pdata.
func (p plan) applyPdata(t testing.TB, it pdataItem) bool {
	m := it.attributes
	for _, st := range p.steps {
		switch st.do {
		case "set":
			pdataValue(t, st.value).CopyTo(m.PutEmpty(st.key))
		case "delete":
			m.Remove(st.key)
		case "purge":
			m.RemoveIf(func(k string, v pcommon.Value) bool { return len(k) == len(st.key) && v.Type() == pcommon.ValueTypeStr })
		case "rename":
			if v, ok := m.Get(st.from); ok && st.from != st.key {
				was := pcommon.NewValueEmpty()
				v.CopyTo(was)
				was.CopyTo(m.PutEmpty(st.key))
				m.Remove(st.from)
			}
		case "field":
			if it.set != nil {
				it.set(st.key)
			}
		}
	}
	return p.remove
}

// pdataValue reads a value with pdata.
func pdataValue(t testing.TB, v Value) pcommon.Value {
	record := AppendValue(nil, FieldLogBody, v)
	r := AppendBytes(nil, FieldRequestResource, AppendBytes(nil, FieldResourceXScope, AppendBytes(nil, FieldScopeXItem, record)))
	p := plogotlp.NewExportRequest()
	if err := p.UnmarshalProto(r); err != nil {
		t.Fatal(err)
	}
	return p.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body()
}

// sortMap sorts attributes by key, and leaves only the first of equal ones.
func sortMap(m pcommon.Map) {
	var keys []string
	m.RemoveIf(func(k string, _ pcommon.Value) bool {
		twice := slices.Contains(keys, k)
		keys = append(keys, k)
		return twice
	})
	slices.Sort(keys)
	sorted := pcommon.NewMap()
	for _, k := range slices.Compact(keys) {
		v, _ := m.Get(k)
		v.CopyTo(sorted.PutEmpty(k))
	}
	sorted.CopyTo(m)
}

// sortedPdata decodes a request with the attributes of its items and metrics sorted.
func sortedPdata(t testing.TB, s Signal, r Request) pdataRequest {
	t.Helper()
	p := newPdata(s)
	if err := p.UnmarshalProto(r); err != nil {
		t.Fatal(err)
	}
	return sortItems(p)
}

func sortItems(p pdataRequest) pdataRequest {
	for _, metrics := range []bool{false, true} {
		pdataRemoveIf(p, metrics, func(it pdataItem) bool {
			sortMap(it.attributes)
			return false
		})
	}
	return p
}

// editItemsAndComparePdata holds EditItems and EditMetrics against decoding, editing and encoding with pdata. The keys of
// each item are made unique first: of several, pdata's Remove takes the first, too, but changes the order of the others.
func editItemsAndComparePdata(t testing.TB, e *Editor, s Signal, r Request, entropy []byte) {
	t.Helper()
	r = mustCheck(t, s, marshal(t, sortedPdata(t, s, r)))
	plans := planner(entropy, 1+min(len(entropy), Count(s, r)))
	for _, metrics := range []bool{false, true} {
		if metrics && s != Metrics {
			continue
		}
		want := sortedPdata(t, s, r)
		i := 0
		pdataRemoveIf(want, metrics, func(it pdataItem) bool {
			i++
			return plans[(i-1)%len(plans)].applyPdata(t, it)
		})
		k := 0
		edit := func(it *Item) {
			plans[k%len(plans)].apply(it)
			k++
		}
		var got Edited
		if metrics {
			got = e.EditMetrics(nil, r, edit)
		} else {
			got = e.EditItems(nil, s, r, edit)
		}
		if i != k {
			t.Fatalf("pdata has %d items, the editor %d", i, k)
		}
		have, wanted := marshal(t, sortedPdata(t, s, got.Request)), marshal(t, sortItems(want))
		if !bytes.Equal(have, wanted) {
			t.Fatalf("differs from what pdata makes of it\nwas  %x\ngot  %x\nwant %x", r, have, wanted)
		}
	}
}

// The values are those that pdata makes of the same edits.
func TestEditItemsAgainstPdata(t *testing.T) {
	for _, s := range []Signal{Metrics, Logs, Traces} {
		t.Run(s.String(), func(t *testing.T) {
			e := &Editor{}
			for seed := range uint64(600) {
				editItemsAndComparePdata(t, e, s, itemSeed(s, seed), randomEntropy(seed+9, 400))
			}
		})
	}
	e := &Editor{}
	editItemsAndComparePdata(t, e, Logs, benchLogs(t), randomEntropy(1, 4000))
	editItemsAndComparePdata(t, e, Metrics, benchMetrics(t), randomEntropy(2, 4000))
	editItemsAndComparePdata(t, e, Traces, benchTraces(t), randomEntropy(3, 4000))
}

// FuzzEditItems lets the fuzzer steer the request and the edits.
func FuzzEditItems(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(uint8(seed), randomEntropy(seed, 300+int(seed)*20), randomEntropy(seed+1, 100))
	}
	f.Fuzz(func(t *testing.T, signal uint8, request, edits []byte) {
		if len(request) > 1<<13 || len(edits) > 1<<12 {
			return
		}
		s := Signal(1 + signal%3)
		g := generator{entropy: request, strict: true}
		m, _ := root(s)
		r := g.towardsItems(nil, m, 0)
		e := &Editor{}
		editItemsAndCompare(t, e, s, r, edits)
		editItemsAndComparePdata(t, e, s, r, edits)
	})
}
