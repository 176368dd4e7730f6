package ottl

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/sluiceio/sluice/wire"
)

// common are statements of the shapes that people write most.
var common = map[string][]string{
	"set and delete_key": {`set(attributes["env"], "prod")`, `delete_key(attributes, "password")`},
	"set where":          {`set(severity_text, "WARN") where attributes["http.response.status_code"] >= 201 and IsMatch(body, "^error")`},
	"copy":               {`set(attributes["service"], resource.attributes["service.name"])`},
	"nothing":            {`set(attributes["x"], 1) where IsMatch(body, "nothing of this kind")`},
	"keep_keys":          {`keep_keys(attributes, ["s", "d", "m"])`},
	"matching keys":      {`delete_matching_keys(attributes, "^pass")`},
	"cache":              {`set(cache["a"], attributes["s"])`, `set(attributes["b"], cache["a"])`},
	"concat":             {`set(attributes["c"], Concat([severity_text, attributes["http.response.status_code"]], "-"))`},
}

// TestCommonStatementsDoNotAllocate: nothing for each record in the steady state.
func TestCommonStatementsDoNotAllocate(t *testing.T) {
	request := sample(100)
	for name, statements := range common {
		p := compiled(t, statements...)
		if n := testing.AllocsPerRun(20, func() {
			run := p.Start(nil)
			if _, err := run.Over(request); err != nil {
				t.Error(err)
			}
			run.Done()
		}); n > 10 {
			t.Errorf("%s: %v allocations for 100 records", name, n)
		}
	}
}

func BenchmarkProgram(b *testing.B) {
	request := sample(1000)
	for name, statements := range common {
		b.Run(name, func(b *testing.B) {
			p := compiled(b, statements...)
			b.ReportAllocs()
			for b.Loop() {
				run := p.Start(nil)
				if _, err := run.Over(request); err != nil {
					b.Fatal(err)
				}
				run.Done()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
		})
	}
}

func BenchmarkFilter(b *testing.B) {
	request := sample(1000)
	for name, condition := range map[string]string{
		"expression":  `IsMatch(body, "^GET .* 200")`,
		"alternation": `IsMatch(body, "error|timeout|refused")`,
		"some case":   `IsMatch(body, "(?i)timeout|refused")`,
	} {
		b.Run(name, func(b *testing.B) {
			f, faults := CompileFilter(wire.Logs, []Block{{Context: "log", Conditions: []string{condition}}})
			if len(faults) > 0 {
				b.Fatal(faults)
			}
			b.ReportAllocs()
			for b.Loop() {
				run := f.Start(nil)
				if _, err := run.Over(request); err != nil {
					b.Fatal(err)
				}
				run.Done()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
		})
	}
}

// BenchmarkFilterPoints drops points by the metric's name and by an attribute, as in bench/language.go.
func BenchmarkFilterPoints(b *testing.B) {
	md := pmetric.NewMetrics()
	list := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	for k := range 20 {
		m := list.AppendEmpty()
		m.SetName(fmt.Sprint("system.metric.", k))
		for p := range 50 {
			if p == 0 {
				m.SetEmptyGauge()
			}
			point := m.Gauge().DataPoints().AppendEmpty()
			point.SetDoubleValue(float64(p))
			point.Attributes().PutStr("state", []string{"idle", "user", "system", "wait", "steal"}[p%5])
			point.Attributes().PutStr("cpu", fmt.Sprint(p/5))
		}
	}
	request, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	if err != nil {
		b.Fatal(err)
	}
	f, faults := CompileFilter(wire.Metrics, []Block{
		{Context: "metric", Conditions: []string{`name == "system.metric.7"`}}, {Context: "datapoint", Conditions: []string{`attributes["state"] == "idle"`}},
	})
	if len(faults) > 0 {
		b.Fatal(faults)
	}
	b.ReportAllocs()
	for b.Loop() {
		run := f.Start(nil)
		if done, err := run.Over(request); err != nil || done.Removed != 240 {
			b.Fatal(done.Removed, err)
		}
		run.Done()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/point")
}
