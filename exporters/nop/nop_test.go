package nop

import (
	"testing"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestDropsAreCounted: nothing is lost in silence, not even here.
func TestDropsAreCounted(t *testing.T) {
	s, ledger := pipelinetest.Settings(t, pipeline.KindExporter, "nop")
	sink, err := New(s, Default())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Entrance(pipeline.Logs, sink).Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: []byte("x"), Items: 3}); err != nil {
		t.Fatal(err)
	}
	dropped := int64(0)
	for _, a := range ledger.Read() {
		dropped += a.Dropped[pipeline.DropFiltered].Items
	}
	if dropped != 3 || ledger.Unaccounted() != 0 {
		t.Errorf("%d items dropped, %d unaccounted for", dropped, ledger.Unaccounted())
	}
}
