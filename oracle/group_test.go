package oracle

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/sluiceio/sluice/wire"
)

// groupAttributes has some of the keys a to d, in any order and of any kind.
func groupAttributes(r *rand.Rand, m pcommon.Map) {
	for _, i := range r.Perm(4)[:r.IntN(5)] {
		switch key := string(rune('a' + i)); r.IntN(4) {
		case 0:
			m.PutInt(key, int64(r.IntN(2)))
		case 1:
			m.PutEmpty(key)
		default:
			m.PutStr(key, fmt.Sprint(r.IntN(2)))
		}
	}
}

func groupScope(s pcommon.InstrumentationScope, i int) {
	s.SetName([]string{"", "lib", "other"}[i])
	s.SetVersion([]string{"", "v1", "v1"}[i])
}

// TestGroupByAttributes: the same groups in the same order, for all signals.
func TestGroupByAttributes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 200 {
		config := map[string]any{}
		if n := r.IntN(4); n > 0 {
			var keys []any
			for _, k := range r.Perm(5)[:n] {
				keys = append(keys, string(rune('a'+k)))
			}
			config["keys"] = keys
		}
		ld, td, md := plog.NewLogs(), ptrace.NewTraces(), pmetric.NewMetrics()
		logs, spans, points := 0, 0, 0
		for range 1 + r.IntN(4) {
			rl, rs, rm := ld.ResourceLogs().AppendEmpty(), td.ResourceSpans().AppendEmpty(), md.ResourceMetrics().AppendEmpty()
			groupAttributes(r, rl.Resource().Attributes())
			rl.Resource().CopyTo(rs.Resource())
			rl.Resource().CopyTo(rm.Resource())
			for range 1 + r.IntN(3) {
				sl, ss, sm := rl.ScopeLogs().AppendEmpty(), rs.ScopeSpans().AppendEmpty(), rm.ScopeMetrics().AppendEmpty()
				groupScope(sl.Scope(), r.IntN(3))
				sl.Scope().CopyTo(ss.Scope())
				sl.Scope().CopyTo(sm.Scope())
				for range 1 + r.IntN(5) {
					l, s, m := sl.LogRecords().AppendEmpty(), ss.Spans().AppendEmpty(), sm.Metrics().AppendEmpty()
					l.Body().SetStr(fmt.Sprint(logs))
					s.SetName(fmt.Sprint(spans))
					groupAttributes(r, l.Attributes())
					groupAttributes(r, s.Attributes())
					logs++
					spans++
					m.SetName([]string{"m1", "m2"}[r.IntN(2)])
					for range 1 + r.IntN(4) {
						var at pcommon.Map
						switch m.Name() {
						case "m1":
							if m.Type() == pmetric.MetricTypeEmpty {
								m.SetEmptySum().SetIsMonotonic(true)
								m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
							}
							p := m.Sum().DataPoints().AppendEmpty()
							p.SetIntValue(int64(points))
							at = p.Attributes()
						default:
							if m.Type() == pmetric.MetricTypeEmpty {
								m.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
							}
							p := m.Histogram().DataPoints().AppendEmpty()
							p.SetCount(uint64(points))
							at = p.Attributes()
						}
						groupAttributes(r, at)
						points++
					}
				}
			}
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			lb, lerr := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
			tb, terr := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
			mb, merr := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
			for _, in := range []telemetry{checked(t, wire.Logs, lb, lerr, logs), checked(t, wire.Traces, tb, terr, spans), checked(t, wire.Metrics, mb, merr, points)} {
				if !same(t, "groupbyattrs", config, in) {
					t.Errorf("both refuse %v", config)
				}
			}
		})
	}
}
