package transform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func configOf(t *testing.T, text string) *Config {
	t.Helper()
	return pipelinetest.Decode(t, Default(), text)
}

// encode makes a request of OTLP/JSON logs.
func encode(t *testing.T, text string) wire.Request {
	t.Helper()
	ld, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t *testing.T, r wire.Request) string {
	t.Helper()
	ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := (&plog.JSONMarshaler{}).MarshalLogs(ld)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", " "); err != nil {
		t.Fatal(err)
	}
	return out.String() + "\n"
}

// TestCases runs testdata/*.txtar: config, in and want (OTLP/JSON of logs), or error (of the validation).
func TestCases(t *testing.T) {
	pipelinetest.ConfigCases(t, Default, func(t *testing.T, c *Config, part map[string]string) {
		sink := &pipelinetest.Recorder{}
		s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "transform")
		p, err := New(s, c, sink)
		if err != nil {
			t.Fatal(err)
		}
		in := encode(t, part["in"])
		before := bytes.Clone(in)
		for range 2 {
			if err := p.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: in, Items: wire.Count(wire.Logs, in)}); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(before, in) {
			t.Error("the request was modified in place")
		}
		want := decode(t, encode(t, part["want"]))
		for i, b := range sink.Batches() {
			if got := decode(t, b.Request); got != want {
				t.Errorf("pass %d: got\n%s\nwant\n%s", i+1, got, want)
			}
		}
	})
}

// TestPropagateRejects: an error in the mode propagate rejects the batch, nothing of it goes on, and the log says it.
func TestPropagateRejects(t *testing.T) {
	sink := &pipelinetest.Recorder{}
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "transform")
	var log bytes.Buffer
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	p, err := New(s, configOf(t, "error_mode: propagate\nlog_statements: ['set(log.time, log.body)']"), sink)
	if err != nil {
		t.Fatal(err)
	}
	in := encode(t, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`)
	err = p.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: in, Items: 1})
	var rejected *pipeline.Rejected
	if !errors.As(err, &rejected) || !strings.Contains(err.Error(), "set(log.time, log.body)") || sink.Items() != 0 {
		t.Errorf("got %v and %d items", err, sink.Items())
	}
	if !strings.Contains(log.String(), "a statement failed") {
		t.Errorf("the log is %q", log.String())
	}
}

// TestNothingTouchedIsTheSameRequest: not even a copy is made.
func TestNothingTouchedIsTheSameRequest(t *testing.T) {
	var got []byte
	next := pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error { got = b.Request; return nil })
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "transform")
	p, err := New(s, configOf(t, `log_statements: ['set(log.attributes["a"], 1) where IsMatch(log.body, "nothing")', 'set(log.body, log.body)', 'set(resource.attributes["r"], "same")']`), next)
	if err != nil {
		t.Fatal(err)
	}
	in := encode(t, `{"resourceLogs":[{"resource":{"attributes":[{"key":"r","value":{"stringValue":"same"}}]},"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`)
	if err := p.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: in, Items: 1}); err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || &got[0] != &in[0] {
		t.Error("the request was copied")
	}
}

// TestConcurrentBatches: callers share a program, and nothing else.
func TestConcurrentBatches(t *testing.T) {
	next := pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
		for rs := b.Request.Resources(); rs.Next(); {
			last, _ := wire.ResourceAttributes(rs.Resource()).Find("last")
			for sc := rs.Scopes(); sc.Next(); {
				for it := sc.Items(); it.Next(); {
					l := wire.ParseLog(it.Bytes())
					if copied, _ := l.Attributes().Find("copy"); string(copied.Str()) != string(l.Body.Str()) || string(last.Str()) != string(l.Body.Str()) {
						t.Errorf("body %q, copy %q, last %q", l.Body.Str(), copied.Str(), last.Str())
					}
				}
			}
		}
		return nil
	})
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "transform")
	p, err := New(s, configOf(t, `{error_mode: silent, log_statements: ['set(log.attributes["copy"], Concat([log.body], ""))', 'set(resource.attributes["last"], log.body)', 'set(log.time, log.body)']}`), next)
	if err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	for i := range 4 {
		in := encode(t, fmt.Sprintf(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"caller %d"}},{"body":{"stringValue":"caller %d"}}]}]}]}`, i, i))
		callers.Go(func() {
			for range 200 {
				if err := p.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: in, Items: 2}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
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
	if err := confmap.NewFromStringMap(file.Processors["transform"]).Unmarshal(c); err != nil {
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
