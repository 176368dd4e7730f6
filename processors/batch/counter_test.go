package batch

import (
	"testing"

	dto "github.com/prometheus/client_model/go"
)

func counterValue(t *testing.T, p *Processor) float64 {
	t.Helper()
	var m dto.Metric
	if err := p.late.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}
