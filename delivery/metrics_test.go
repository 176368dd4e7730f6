package delivery

import (
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
)

// What the exporter says about itself: the names and labels are a contract with dashboards and alert rules.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, busy(3))
		if err := r.send(t.Context(), "four"); err != nil {
			t.Fatal(err)
		}
		want := map[string]float64{
			`sluice_exporter_requests_total{code="200"}`:    1,
			`sluice_exporter_requests_total{code="503"}`:    2,
			"sluice_exporter_request_duration_seconds":      3,
			"sluice_exporter_sent_bytes_total":              12,
			"sluice_exporter_retries_total":                 2,
			"sluice_exporter_already_delivered_items_total": 0,
			"sluice_exporter_broken_answers_items_total":    0,
			"sluice_exporter_in_flight_requests":            0,
			"sluice_exporter_waiting_callers":               0,
		}
		families, err := r.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				name := f.GetName()
				for _, l := range m.GetLabel() {
					name += fmt.Sprintf("{%s=%q}", l.GetName(), l.GetValue())
				}
				got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}
