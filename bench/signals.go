package main

import (
	"fmt"
	"math/rand/v2"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// spanRequests returns OTLP requests of 1,000 different spans.
func spanRequests() ([][]byte, error) {
	r := rand.New(rand.NewPCG(3, 4))
	var out [][]byte
	for range distinctRequests {
		td := ptrace.NewTraces()
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", "checkout")
		spans := rs.ScopeSpans().AppendEmpty().Spans()
		for range logsPerRequest {
			s := spans.AppendEmpty()
			var id [16]byte
			for i := range id {
				id[i] = byte(r.Uint32())
			}
			s.SetTraceID(id)
			s.SetSpanID([8]byte(id[8:]))
			s.SetName(words[r.IntN(len(words))])
			s.SetKind(ptrace.SpanKindServer)
			s.SetStartTimestamp(pcommon.Timestamp(1.7e18 + r.Int64N(1e15)))
			s.SetEndTimestamp(s.StartTimestamp() + pcommon.Timestamp(r.Int64N(1e9)))
			a := s.Attributes()
			a.PutStr("http.request.method", []string{"GET", "POST", "PUT"}[r.IntN(3)])
			a.PutStr("url.path", fmt.Sprintf("/api/v1/orders/%d", r.IntN(1e6)))
			a.PutInt("http.response.status_code", int64(200+r.IntN(4)*100))
			a.PutStr("server.address", fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256)))
			a.PutStr("user_agent.original", "bench/1.0 (linux; amd64)")
		}
		b, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// The metric and the attribute of points that the filter of languageWays drops.
const droppedMetric, droppedState = "system.metric.7", "idle"

// pointRequests returns OTLP requests of 1,000 number points each, with a series each, and how many the filter leaves.
func pointRequests(requests int) (out [][]byte, left []int, err error) {
	const metrics = 20
	for i := range requests {
		md := pmetric.NewMetrics()
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", "node")
		rm.Resource().Attributes().PutStr("service.instance.id", fmt.Sprint(i))
		list := rm.ScopeMetrics().AppendEmpty().Metrics()
		n := 0
		for k := range metrics {
			m := list.AppendEmpty()
			m.SetName(fmt.Sprint("system.metric.", k))
			m.SetEmptyGauge()
			for p := range logsPerRequest / metrics {
				state := []string{"idle", "user", "system", "wait", "steal"}[p%5]
				point := m.Gauge().DataPoints().AppendEmpty()
				point.SetTimestamp(pcommon.Timestamp(1.7e18))
				point.SetDoubleValue(float64(i*k + p))
				point.Attributes().PutStr("state", state)
				point.Attributes().PutStr("cpu", fmt.Sprint(p/5))
				if m.Name() != droppedMetric && state != droppedState {
					n++
				}
			}
		}
		b, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
		if err != nil {
			return nil, nil, err
		}
		out, left = append(out, b), append(left, n)
	}
	return out, left, nil
}
