package failover

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// levels are a connector with pipelines logs/0, logs/1 and so on, one a level.
func levels(t *testing.T, sinks ...pipeline.Sink) *Connector {
	t.Helper()
	c := Default()
	c.RetryInterval = time.Minute
	var ids []pipeline.ID
	for i := range sinks {
		id := pipeline.ID{Type: "logs", Name: string(rune('0' + i))}
		ids, c.PriorityLevels = append(ids, id), append(c.PriorityLevels, []string{id.String()})
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	out := pipeline.Outputs{}.Choosing(ids, func(chosen ...pipeline.ID) (pipeline.Sink, error) {
		return sinks[chosen[0].Name[0]-'0'], nil
	})
	s, _ := pipelinetest.Settings(t, pipeline.KindConnector, "failover")
	s.Signal = pipeline.Logs
	sink, err := New(s, c, out)
	if err != nil {
		t.Fatal(err)
	}
	return sink.(*Connector)
}

// batch has n records, whose times are their numbers.
func batch(n int) pipeline.Batch {
	b, res := wire.BeginMessage(nil, wire.FieldRequestResource)
	b, scope := wire.BeginMessage(b, wire.FieldResourceXScope)
	for i := range n {
		b = wire.AppendBytes(b, wire.FieldScopeXItem, wire.AppendFixed64(nil, wire.FieldLogTime, uint64(i)))
	}
	return pipeline.Batch{Signal: pipeline.Logs, Request: wire.EndMessage(wire.EndMessage(b, scope), res), Items: n}
}

// A door is a pipeline that takes or refuses.
type door struct {
	pipelinetest.Counter
	shut bool
}

func (d *door) Consume(ctx context.Context, b pipeline.Batch) error {
	if d.shut {
		return pipeline.Refuse(time.Second, errors.New("shut"))
	}
	return d.Counter.Consume(ctx, b)
}

// TestTheNextLevelTakesWhatIsRefused, at once, and the best one again after the interval.
func TestTheNextLevelTakesWhatIsRefused(t *testing.T) {
	first, second, third := &door{}, &door{}, &door{}
	c := levels(t, first, second, third)
	var log bytes.Buffer
	c.settings.Log = slog.New(slog.NewTextHandler(&log, nil))
	now := time.Unix(1000, 0)
	c.now = func() time.Time { return now }
	send := func(want ...int64) {
		t.Helper()
		if err := c.Consume(t.Context(), batch(1)); err != nil {
			t.Fatal(err)
		}
		for i, d := range []*door{first, second, third} {
			if got := d.Items.Load(); got != want[i] {
				t.Fatalf("level %d has %d, want %d", i, got, want[i])
			}
		}
	}
	send(1, 0, 0)
	first.shut = true
	send(1, 1, 0)
	second.shut = true
	send(1, 1, 1)
	first.shut = false
	send(1, 1, 2) // not asked before the interval is over
	now = now.Add(time.Minute)
	send(2, 1, 2)
	if c.active != 0 {
		t.Errorf("level %d is active", c.active)
	}
	refusals, back := strings.Count(log.String(), `level=WARN msg="a level refuses; the next one is asked"`), strings.Count(log.String(), `level=INFO msg="a better level takes again" level=0`)
	if refusals != 2 || back != 1 || strings.Contains(log.String(), "nil") {
		t.Errorf("the log is\n%s", log.String())
	}
}

// TestALevelThatIsTriedAgainCostsOneBatch: while its answer is not known, the others go where they went.
func TestALevelThatIsTriedAgainCostsOneBatch(t *testing.T) {
	first, second := &door{shut: true}, &door{}
	c := levels(t, first, second)
	now := time.Unix(1000, 0)
	c.now = func() time.Time { return now }
	if err := c.Consume(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Minute)
	if got := c.order(); got[0] != 0 {
		t.Errorf("the first level is not tried again: %v", got)
	}
	if got := c.order(); got[0] != 1 {
		t.Errorf("two batches try it at once: %v", got)
	}
}

// TestAllRefuse: every level is asked, also those that were left alone, so that nothing is refused that one would take
// (https://github.com/open-telemetry/opentelemetry-collector-contrib/issues/46820).
func TestAllRefuse(t *testing.T) {
	first, second := &door{shut: true}, &door{shut: true}
	c := levels(t, first, second)
	ref, is := pipeline.AsRefused(c.Consume(t.Context(), batch(2)))
	if !is || ref.After != time.Second {
		t.Fatalf("got %v", ref)
	}
	if c.active != -1 {
		t.Errorf("level %d is active", c.active)
	}
	first.shut = false
	if err := c.Consume(t.Context(), batch(2)); err != nil || first.Items.Load() != 2 {
		t.Errorf("the first level has %d: %v", first.Items.Load(), err)
	}
}

// TestARejectionStays: it is the record's fault; and of a batch only what was refused goes on.
func TestARejectionStays(t *testing.T) {
	var second pipelinetest.Recorder
	c := levels(t, pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
		g := pipeline.NewGather(b.Items)
		g.Reject(pipeline.Rejected{Ranges: pipeline.Ranges{{From: 0, To: 1}}, Reason: pipeline.DropTooOld, Err: errors.New("old")})
		g.Refuse(pipeline.Ranges{{From: 2, To: 3}, {From: 4, To: 6}}, pipeline.Refuse(0, errors.New("busy")))
		return g.Err()
	}), pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error {
		_ = second.Consume(ctx, b)
		g := pipeline.NewGather(b.Items)
		g.Reject(pipeline.Rejected{Ranges: pipeline.Ranges{{From: 1, To: 2}}, Reason: pipeline.DropTooOld, Err: errors.New("old")})
		g.Refuse(pipeline.Ranges{{From: 2, To: 3}}, pipeline.Refuse(0, errors.New("busy, too")))
		return g.Err()
	}))
	a := pipeline.Read(c.Consume(t.Context(), batch(6)), 6)
	if got := second.Batches(); len(got) != 1 || got[0].Items != 3 || wire.Count(wire.Logs, got[0].Request) != 3 {
		t.Fatalf("the second level got %+v", got)
	}
	if len(a.Refused) != 1 || a.Refused[0] != (pipeline.Range{From: 5, To: 6}) {
		t.Errorf("refused are %v, want the last", a.Refused)
	}
	var rejected pipeline.Ranges
	for _, r := range a.Rejected {
		rejected = rejected.Union(r.Ranges)
	}
	if len(rejected) != 2 || rejected[0].From != 0 || rejected[1].From != 4 {
		t.Errorf("rejected are %v, want 0 and 4", rejected)
	}
	onlyRejects := levels(t, pipeline.SinkFunc(func(context.Context, pipeline.Batch) error {
		return pipeline.Reject(0, pipeline.DropInvalid, errors.New("bad"))
	}), &second)
	if rej, is := pipeline.AsRejected(onlyRejects.Consume(t.Context(), batch(2))); !is || rej.Reason != pipeline.DropInvalid {
		t.Error("a rejection went to the next level")
	}
	if onlyRejects.active != 0 {
		t.Error("a rejection made the level one that refuses")
	}
}

// TestALevelThatDoesNotAnswer has a part of the caller's time.
func TestALevelThatDoesNotAnswer(t *testing.T) {
	second := &door{}
	c := levels(t, pipeline.SinkFunc(func(ctx context.Context, _ pipeline.Batch) error {
		<-ctx.Done()
		return pipeline.Withdrawn(ctx)
	}), second)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := c.Consume(ctx, batch(1)); err != nil || second.Items.Load() != 1 {
		t.Errorf("the second level has %d: %v", second.Items.Load(), err)
	}
	if c.active != 1 {
		t.Errorf("level %d is active", c.active)
	}
}

// TestACallerThatLeaves is not the level's fault.
func TestACallerThatLeaves(t *testing.T) {
	second := &door{}
	ctx, cancel := context.WithCancel(t.Context())
	c := levels(t, pipeline.SinkFunc(func(ctx context.Context, _ pipeline.Batch) error {
		cancel()
		return pipeline.Withdrawn(ctx)
	}), second)
	if _, refused := pipeline.AsRefused(c.Consume(ctx, batch(1))); !refused || second.Items.Load() != 0 || c.active != 0 {
		t.Errorf("refused %v, level %d is active", refused, c.active)
	}
}

func TestFaults(t *testing.T) {
	c := Default()
	c.PriorityLevels = [][]string{{"logs/a", "logs/b"}, {}, {"logs/a", "a b"}}
	c.RetryInterval = 0
	c.Queue.Enabled = true
	err := c.Validate()
	for _, want := range []string{`"priority_levels[1]" is empty`, `"priority_levels[2]": pipeline logs/a is named twice`, `"a b" is not a component name`,
		`"retry_interval" is 0s`, `"sending_queue"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from %v", want, err)
		}
	}
	if err := Default().Validate(); err == nil || !strings.Contains(err.Error(), "priority_levels") {
		t.Errorf("got %v", err)
	}
}

// TestREADME: the example of README.md is a configuration that can be used, and every key has its row.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	var file struct {
		Connectors map[string]map[string]any
	}
	if err := yaml.Unmarshal([]byte(example), &file); err != nil || len(file.Connectors) != 1 {
		t.Fatalf("no example: %v", err)
	}
	c := Default()
	if err := confmap.NewFromStringMap(file.Connectors["failover"]).Unmarshal(c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"priority_levels", "retry_interval"} {
		if !strings.Contains(string(text), "| `"+key+"` |") {
			t.Errorf("README.md has no row for %q", key)
		}
	}
}
