package prom

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/wire"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// request encodes pdata and checks it as a receiver does.
func request(t testing.TB, md pmetric.Metrics) wire.Request {
	t.Helper()
	body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := wire.Check(wire.Metrics, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lines renders what a walk yields, one line a sample.
func lines(t testing.TB, tr *Translator, r wire.Request) (out []string, rep Report) {
	t.Helper()
	rep, err := tr.Walk(r, SinkFunc(func(s *Sample) error {
		out = append(out, line(s))
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return out, rep
}

func line(s *Sample) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %v @%d", s.Labels, s.Value, s.Time)
	if s.Start != 0 {
		fmt.Fprintf(&b, " since %d", s.Start)
	}
	if s.Stale {
		b.WriteString(" stale")
	}
	if s.Delta {
		b.WriteString(" delta")
	}
	if h := s.Histogram; h != nil {
		fmt.Fprintf(&b, " schema %d count %d zero %d sum %v %v%v %v%v", h.Schema, h.Count, h.ZeroCount, h.Sum,
			h.PositiveSpans, h.PositiveDeltas, h.NegativeSpans, h.NegativeDeltas)
	}
	for _, x := range s.Exemplars {
		fmt.Fprintf(&b, " # %s %v @%d", x.Labels, x.Value, x.Time)
	}
	fmt.Fprintf(&b, " (%s %s %q %q)", s.Family.Type, s.Family.Name, s.Family.Unit, s.Family.Help)
	return b.String()
}

func ms(n int64) uint64 { return uint64(n) * uint64(time.Millisecond) }
