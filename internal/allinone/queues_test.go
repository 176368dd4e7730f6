package allinone

import (
	"testing"

	"go.opentelemetry.io/collector/confmap"

	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestEveryQueueIsReachable: an exporter that may have a queue on disk shows it to an operator's commands.
func TestEveryQueueIsReachable(t *testing.T) {
	n := 0
	for _, c := range Components() {
		if c.Kind != pipeline.KindExporter {
			continue
		}
		if _, may := c.Default().(pipeline.StorageUser); !may {
			continue
		}
		n++
		s, _ := pipelinetest.Settings(t, pipeline.KindExporter, c.Type)
		cfg := c.Default()
		if err := confmap.NewFromStringMap(map[string]any{"endpoint": "http://127.0.0.1:1"}).Unmarshal(cfg); err != nil {
			t.Fatal(err)
		}
		e, err := c.NewExporter(s, cfg)
		if err != nil {
			t.Fatalf("%s: %v", c.Type, err)
		}
		if _, shows := e.(interface{ DiskQueue() *queue.Queue }); !shows {
			t.Errorf("%s does not show its queue: `queue drain` would call it empty", c.Type)
		}
		if _, says := e.(pipeline.Readier); !says {
			t.Errorf("%s does not say that its queue is being drained", c.Type)
		}
	}
	if n < 4 {
		t.Errorf("only %d exporters may have a queue; the test proves little", n)
	}
}
