package forward

import (
	"testing"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

func TestForwardIsTheOutputItself(t *testing.T) {
	s, _ := pipelinetest.Settings(t, pipeline.KindConnector, "forward")
	s.Signal = pipeline.Logs
	var behind pipelinetest.Counter
	got, err := New(s, Default(), pipeline.OutputsTo(&behind, pipeline.Logs))
	if err != nil || got != pipeline.Sink(&behind) {
		t.Errorf("got %v, %v; want the output", got, err)
	}
	s.Signal = pipeline.Traces
	if _, err := New(s, Default(), pipeline.OutputsTo(&behind, pipeline.Logs)); err == nil {
		t.Error("built with nothing behind it")
	}
	c := Component()
	for _, sig := range pipeline.Signals {
		if !c.Leads(sig, sig) || !c.Takes(sig) {
			t.Errorf("does not take and give %s", sig)
		}
	}
}
