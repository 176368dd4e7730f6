package tail

import (
	"testing"
	"testing/synctest"
	"time"
	"os"
	"path/filepath"
	"context"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

func TestSmoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := tempDir(t)
		s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "tail")
		cfg := Default()
		cfg.Include = []string{filepath.Join(dir, "*.log")}
		cfg.StartAt = "beginning"
		if err := cfg.Validate(); err != nil { t.Fatal(err) }
		var rec pipelinetest.Recorder
		r, err := New(s, cfg, pipeline.OutputsTo(s.Entrance(pipeline.Logs, &rec), pipeline.Logs))
		if err != nil { t.Fatal(err) }
		write(t, filepath.Join(dir, "a.log"), "one\ntwo\nthr")
		if err := r.Start(context.Background()); err != nil { t.Fatal(err) }
		time.Sleep(time.Second)
		if rec.Items() != 2 { t.Fatal(rec.Items()) }
		f, _ := os.OpenFile(filepath.Join(dir, "a.log"), os.O_APPEND|os.O_WRONLY, 0)
		f.WriteString("ee\n")
		time.Sleep(3*time.Second)
		if rec.Items() != 3 { t.Fatal(rec.Items()) }
		r.Stop(context.Background())
		b, _ := os.ReadFile(filepath.Join(s.DataDir, "tail.checkpoint"))
		t.Logf("%s", b)
	})
}
