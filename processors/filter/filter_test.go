package filter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func configOf(t *testing.T, text string) *Config {
	t.Helper()
	return pipelinetest.Decode(t, Default(), text)
}

// lines is a request with a record for each line of text.
func lines(text string) (wire.Request, int) {
	b, res := wire.BeginMessage(nil, wire.FieldRequestResource)
	b, scope := wire.BeginMessage(b, wire.FieldResourceXScope)
	n := 0
	for line := range strings.Lines(text) {
		n++
		var rec, body int
		b, rec = wire.BeginMessage(b, wire.FieldScopeXItem)
		b, body = wire.BeginMessage(b, wire.FieldLogBody)
		b = wire.AppendString(b, wire.FieldValueString, strings.TrimSpace(line))
		b = wire.EndMessage(wire.EndMessage(b, body), rec)
	}
	return wire.EndMessage(wire.EndMessage(b, scope), res), n
}

func bodies(r wire.Request) string {
	var b strings.Builder
	for rs := r.Resources(); rs.Next(); {
		for sc := rs.Scopes(); sc.Next(); {
			for it := sc.Items(); it.Next(); {
				fmt.Fprintf(&b, "%s\n", wire.ParseLog(it.Bytes()).Body.Str())
			}
		}
	}
	return b.String()
}

// TestCases runs testdata/*.txtar: config, in and want (a log body a line), or error (of the validation).
func TestCases(t *testing.T) {
	pipelinetest.ConfigCases(t, Default, func(t *testing.T, c *Config, part map[string]string) {
		sink := &pipelinetest.Recorder{}
		s, ledger := pipelinetest.Settings(t, pipeline.KindProcessor, "filter")
		p, err := New(s, c, sink)
		if err != nil {
			t.Fatal(err)
		}
		in, n := lines(part["in"])
		if err := p.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: in, Items: n}); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, b := range sink.Batches() {
			got += bodies(b.Request)
		}
		if got != part["want"] {
			t.Errorf("got\n%s\nwant\n%s", got, part["want"])
		}
		if dropped := ledger.Unaccounted(); dropped != int64(n-sink.Items()) { // the test books no intake
			t.Errorf("%d booked as dropped, want %d", dropped, n-sink.Items())
		}
	})
}

// TestTheAnswerIsForTheRightRecord: what the destination says of a record is said of it by its index in the batch that came.
func TestTheAnswerIsForTheRightRecord(t *testing.T) {
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "filter")
	next := pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
		if got := bodies(b.Request); got != "keep 1\nkeep 3\n" {
			t.Errorf("got %q", got)
		}
		g := pipeline.NewGather(b.Items)
		g.Reject(pipeline.Rejected{Ranges: pipeline.Ranges{{From: 1, To: 2}}, Reason: pipeline.DropTooOld, Err: errors.New("old")})
		return g.Err()
	})
	p, err := New(s, configOf(t, `logs: {log_record: ['IsMatch(body, "^drop")']}`), next)
	if err != nil {
		t.Fatal(err)
	}
	in, n := lines("drop 0\nkeep 1\ndrop 2\nkeep 3\n")
	a := pipeline.Read(p.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: in, Items: n}), n)
	if len(a.Rejected) != 1 || len(a.Rejected[0].Ranges) != 1 || a.Rejected[0].Ranges[0].From != 3 {
		t.Errorf("got %+v", a)
	}
}

// TestPropagateRejects: an error in the mode propagate rejects the whole batch.
func TestPropagateRejects(t *testing.T) {
	sink := &pipelinetest.Recorder{}
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "filter")
	p, err := New(s, configOf(t, `{error_mode: propagate, logs: {log_record: ['HasPrefix(attributes["a"], "x")']}}`), sink)
	if err != nil {
		t.Fatal(err)
	}
	in, n := lines("a\nb\n")
	err = p.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: in, Items: n})
	var rejected *pipeline.Rejected
	if !errors.As(err, &rejected) || sink.Items() != 0 {
		t.Errorf("got %v and %d items", err, sink.Items())
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
		Processors map[string]map[string]any
	}
	if err := yaml.Unmarshal([]byte(example), &file); err != nil || len(file.Processors) != 1 {
		t.Fatalf("no example: %v", err)
	}
	c := Default()
	if err := confmap.NewFromStringMap(file.Processors["filter"]).Unmarshal(c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	conf := confmap.New()
	if err := conf.Marshal(Default()); err != nil {
		t.Fatal(err)
	}
	for key := range conf.ToStringMap() {
		if !strings.Contains(string(text), "| `"+key) && !strings.Contains(string(text), "`"+key+"`") {
			t.Errorf("README.md has no row for %q", key)
		}
	}
}
