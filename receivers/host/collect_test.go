package host

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fakeCollector func(ch chan<- prometheus.Metric) error

func (f fakeCollector) Update(ch chan<- prometheus.Metric) error { return f(ch) }

func TestSetSurvivesItsCollectors(t *testing.T) {
	desc := prometheus.NewDesc("a", "", nil, nil)
	hang := make(chan struct{})
	var runs int
	s := &set{timeout: 50 * time.Millisecond, log: slog.New(slog.DiscardHandler), fail: func() { runs++ }}
	for name, f := range map[string]fakeCollector{
		"good": func(ch chan<- prometheus.Metric) error {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 7)
			return nil
		},
		"bad":    func(chan<- prometheus.Metric) error { return errors.New("no") },
		"panics": func(chan<- prometheus.Metric) error { panic("odd kernel") },
		"hangs":  func(chan<- prometheus.Metric) error { <-hang; return nil },
	} {
		s.members = append(s.members, &member{name: name, from: f})
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(s)
	for round := range 2 { // the second must not start the one that hangs again
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				l := ""
				if len(m.GetLabel()) > 0 {
					l = m.GetLabel()[0].GetValue()
				}
				got[f.GetName()+" "+l] = m.GetGauge().GetValue()
			}
		}
		for name, want := range map[string]float64{"good": 1, "bad": 0, "panics": 0, "hangs": 0} {
			if v, ok := got["node_scrape_collector_success "+name]; !ok || v != want {
				t.Errorf("round %d: success of %s is %v, %v, want %v", round, name, v, ok, want)
			}
		}
		if got["a "] != 7 {
			t.Errorf("round %d: the good collector's metric is lost: %v", round, got)
		}
	}
	if runs != 6 {
		t.Errorf("%d failures were counted, want 6", runs)
	}
	close(hang)
}
