package k8sattributes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/receivers/tail"
)

// TestTailHeld: through the real receiver, with a sink that refuses at random: the lines of pods that are seen late come with their
// attributes, each once and in order, and those of other pods do not wait for them.
func TestTailHeld(t *testing.T) {
	w := newWorld(t, agent)
	running(w)
	const pods, lines, lateBy = 8, 300, 2 * time.Second
	dir := t.TempDir()
	begin := time.Now()
	var refuse atomic.Bool
	refuse.Store(true)
	got := map[string][]string{}
	firstAt, knownDone := map[string]time.Duration{}, time.Duration(0)
	w.out.Answer = func(_ context.Context, b pipeline.Batch) error {
		taken := pipeline.AllItems(b.Items)
		var answer error
		if refuse.Load() && rand.IntN(3) == 0 && b.Items > 1 {
			at := rand.IntN(b.Items)
			g := pipeline.NewGather(b.Items)
			refused := pipeline.Ranges{{From: at, To: b.Items}}
			g.Refuse(refused, pipeline.Refuse(time.Millisecond, fmt.Errorf("full")))
			taken, answer = taken.Without(refused), g.Err()
		}
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(b.CutRanges(nil, taken).Request)
		if err != nil {
			t.Error(err)
		}
		for _, r := range ld.ResourceLogs().All() {
			name, _ := r.Resource().Attributes().Get("k8s.pod.name")
			node, _ := r.Resource().Attributes().Get("k8s.node.name")
			if node.AsString() != theNode {
				t.Errorf("%s came without attributes", name.AsString())
			}
			for _, l := range r.ScopeLogs().At(0).LogRecords().All() {
				got[name.AsString()] = append(got[name.AsString()], l.Body().AsString())
			}
			if _, have := firstAt[name.AsString()]; !have {
				firstAt[name.AsString()] = time.Since(begin)
			}
			if name.AsString() == "web-0" {
				knownDone = time.Since(begin)
			}
		}
		return answer
	}
	like := w.pod("ReplicaSet")
	for n := range pods {
		p := another(like, fmt.Sprint("web-", n), fmt.Sprintf("0000%04d-0000-0000-0000-000000000000", n), fmt.Sprint("10.99.5.", n))
		if n%2 == 0 {
			w.server.Put(p)
		} else {
			time.AfterFunc(lateBy, func() { w.server.Put(p) })
		}
		folder := filepath.Join(dir, "pods", fmt.Sprintf("%s_%s_%s", p.Namespace, p.Name, p.UID), "app")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		var text []byte
		for i := range lines {
			text = fmt.Appendf(text, "2026-11-27T00:00:00.%09dZ stdout F %d\n", i, i)
		}
		if err := os.WriteFile(filepath.Join(folder, "0.log"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := tail.Component()
	cfg := pipelinetest.Decode(t, c.Default(), fmt.Sprintf("include: [%s/pods/*/*/*.log]\nstart_at: beginning", dir)).(*tail.Config)
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "tail")
	s.DataDir = filepath.Join(dir, "data")
	r, err := tail.New(s, cfg, pipeline.OutputsTo(w.Processor, pipeline.Logs))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(lateBy + 3*time.Second)
	refuse.Store(false)
	time.Sleep(2 * time.Second)
	if err := r.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	for n := range pods {
		name := fmt.Sprint("web-", n)
		if len(got[name]) != lines {
			t.Errorf("%s: %d lines, want %d", name, len(got[name]), lines)
			continue
		}
		for i, body := range got[name] {
			if body != fmt.Sprint(i) {
				t.Errorf("%s: line %d is %q", name, i, body)
				break
			}
		}
	}
	if knownDone > lateBy || firstAt["web-1"] < lateBy {
		t.Errorf("the lines of a known pod were there after %s, the first of a late one after %s (it came after %s)", knownDone, firstAt["web-1"], lateBy)
	}
}
