package resource

import (
	"bytes"
	"context"
	"testing"

	"github.com/sluiceio/sluice/internal/poison"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func inserting(t *testing.T, next pipeline.Sink) pipeline.Sink {
	t.Helper()
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "resource")
	p, err := New(s, &Config{Attributes: []Action{{Key: "host", Action: "insert", Value: "a"}}}, next)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestWhoeverKeepsTheBytesReadsPoison: as from the other pools.
func TestWhoeverKeepsTheBytesReadsPoison(t *testing.T) {
	if !poison.Enabled {
		t.Skip("this build does not poison; use -race")
	}
	var kept []byte
	p := inserting(t, pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error { kept = b.Request; return nil }))
	r := request(parse(t, "x = 1"))
	if err := p.Consume(t.Context(), pipeline.Batch{Signal: wire.Logs, Request: r, Items: 1}); err != nil {
		t.Fatal(err)
	}
	if want := bytes.Repeat([]byte{poison.Byte}, len(kept)); len(kept) <= len(r) || !bytes.Equal(kept, want) {
		t.Errorf("a sink that kept the request reads % x", kept)
	}
}
