package routing

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func configOf(t testing.TB, text string) *Config {
	t.Helper()
	return pipelinetest.Decode(t, Default(), text)
}

// behind are the pipelines of a test by name. A set of several gives to each, and takes what all take.
type behind map[string]pipeline.Sink

func (b behind) outputs() pipeline.Outputs {
	var ids []pipeline.ID
	for name := range b {
		id, _ := pipeline.ParseID(name)
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b pipeline.ID) int { return strings.Compare(a.String(), b.String()) })
	return pipeline.Outputs{}.Choosing(ids, func(chosen ...pipeline.ID) (pipeline.Sink, error) {
		for _, id := range chosen {
			if b[id.String()] == nil {
				return nil, fmt.Errorf("pipeline %s does not receive from this connector", id)
			}
		}
		return pipeline.SinkFunc(func(ctx context.Context, batch pipeline.Batch) error {
			g := pipeline.NewGather(batch.Items)
			for _, id := range chosen {
				g.Add(b[id.String()].Consume(ctx, batch), batch.Items, pipeline.ItemMap{{From: 0, N: batch.Items}})
			}
			return g.Err()
		}), nil
	})
}

func connectorOf(t testing.TB, c *Config, s pipeline.Signal, b behind) (pipeline.Sink, *ledger.Ledger) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	settings, l := pipelinetest.Settings(t, pipeline.KindConnector, "routing")
	settings.Signal = s
	sink, err := New(settings, c, b.outputs())
	if err != nil {
		t.Fatal(err)
	}
	return sink, l
}

// lines is a request with a record for each line "SERVICE LEVEL BODY", one resource for each run of a service.
func lines(text string) pipeline.Batch {
	var b []byte
	service, n, res, scope := "", 0, 0, 0
	end := func() {
		if n > 0 {
			b = wire.EndMessage(wire.EndMessage(b, scope), res)
		}
	}
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if f[0] != service || n == 0 {
			end()
			service = f[0]
			b, res = wire.BeginMessage(b, wire.FieldRequestResource)
			var resource int
			b, resource = wire.BeginMessage(b, wire.FieldResourceXResource)
			b = wire.EndMessage(wire.AppendStringAttribute(b, wire.FieldResourceAttributes, "service.name", service), resource)
			b, scope = wire.BeginMessage(b, wire.FieldResourceXScope)
		}
		n++
		var rec, body int
		b, rec = wire.BeginMessage(b, wire.FieldScopeXItem)
		b = wire.AppendStringAttribute(b, wire.FieldLogAttributes, "level", f[1])
		b, body = wire.BeginMessage(b, wire.FieldLogBody)
		b = wire.EndMessage(wire.EndMessage(wire.AppendString(b, wire.FieldValueString, f[2]), body), rec)
	}
	end()
	return pipeline.Batch{Signal: pipeline.Logs, Request: b, Items: n}
}

// text is the inverse of lines.
func text(r wire.Request) string {
	var b strings.Builder
	for rs := r.Resources(); rs.Next(); {
		service, _ := wire.ResourceAttributes(rs.Resource()).Find("service.name")
		for sc := rs.Scopes(); sc.Next(); {
			for it := sc.Items(); it.Next(); {
				l := wire.ParseLog(it.Bytes())
				level, _ := l.Attributes().Find("level")
				fmt.Fprintf(&b, "%s %s %s\n", service.Str(), level.Str(), l.Body.Str())
			}
		}
	}
	return b.String()
}

func sorted(text string) string {
	return strings.Join(slices.Sorted(strings.Lines(text)), "")
}

// TestCases runs testdata/*.txtar: config, metadata (header: value) and in, and what each pipeline gets (logs/NAME), or
// error (of the validation).
func TestCases(t *testing.T) {
	pipelinetest.ConfigCases(t, Default, func(t *testing.T, c *Config, part map[string]string) {
		pipelines := behind{}
		got := map[string]*pipelinetest.Recorder{}
		for _, name := range []string{"logs/a", "logs/b", "logs/other"} {
			got[name] = &pipelinetest.Recorder{}
			pipelines[name] = got[name]
		}
		connector, l := connectorOf(t, c, pipeline.Logs, pipelines)
		in := lines(part["in"])
		var headers map[string][]string
		if err := yaml.Unmarshal([]byte(part["metadata"]), &headers); err != nil {
			t.Fatal(err)
		}
		asked := (&pipeline.Config{Instances: []pipeline.Instance{{Config: c}}}).MetadataKeys()
		in.Origin.Metadata, _ = asked.Of(func(h string) []string { return headers[h] })
		if err := connector.Consume(t.Context(), in); err != nil && part["answer"] != err.Error()+"\n" {
			t.Fatalf("got answer %q, want %q", err, part["answer"])
		}
		arrived := map[string]bool{}
		for name, r := range got {
			all := ""
			for _, b := range r.Batches() {
				if n := wire.Count(b.Signal, b.Request); n != b.Items {
					t.Errorf("%s: %d items, said to be %d", name, n, b.Items)
				}
				if b.Origin != in.Origin {
					t.Errorf("%s: the origin is lost", name)
				}
				all += text(b.Request)
			}
			// What different sets of pipelines have in common comes in any order.
			if len(r.Batches()) > 1 {
				all, part[name] = sorted(all), sorted(part[name])
			}
			if all != part[name] {
				t.Errorf("%s: got\n%swant\n%s", name, all, part[name])
			}
			for line := range strings.Lines(all) {
				arrived[line] = true
			}
		}
		if part["answer"] != "" {
			return
		}
		if dropped := l.Unaccounted(); dropped != int64(in.Items-len(arrived)) { // the test books no intake
			t.Errorf("%d dropped as unrouted, want %d", dropped, in.Items-len(arrived))
		}
	})
}

// TestEachRecordHasItsOwnFate: pipelines take, reject and refuse at random; each record must be told what it met itself.
func TestEachRecordHasItsOwnFate(t *testing.T) {
	c := configOf(t, `
default_pipelines: [logs/other]
table:
  - {condition: 'log.attributes["level"] == "drop"', pipelines: [logs/a]}
  - {condition: 'IsMatch(log.body, "[02468]$")', pipelines: [logs/b]}
`)
	fate := func(body string) byte { return "...xr"[(len(body)*7+int(body[len(body)-1])*5+int(body[0]))%5] }
	sink := pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
		g := pipeline.NewGather(b.Items)
		i := 0
		for line := range strings.Lines(text(b.Request)) {
			at := pipeline.Ranges{{From: i, To: i + 1}}
			switch fate(strings.TrimSpace(line)) {
			case 'x':
				g.Reject(pipeline.Rejected{Ranges: at, Reason: pipeline.DropTooOld, Err: errors.New("old")})
			case 'r':
				g.Refuse(at, pipeline.Refuse(0, errors.New("busy")))
			}
			i++
		}
		return g.Err()
	})
	connector, _ := connectorOf(t, c, pipeline.Logs, behind{"logs/a": sink, "logs/b": sink, "logs/other": sink})
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var in strings.Builder
		var want []byte
		for range 1 + r.IntN(30) {
			line := fmt.Sprintf("svc%d %s line %d", r.IntN(3), []string{"drop", "info"}[r.IntN(2)], r.IntN(100))
			fmt.Fprintln(&in, line)
			want = append(want, fate(line))
		}
		b := lines(in.String())
		a := pipeline.Read(connector.Consume(t.Context(), b), b.Items)
		got := []byte(strings.Repeat(".", b.Items))
		for _, x := range a.Refused {
			for i := x.From; i < x.To; i++ {
				got[i] = 'r'
			}
		}
		for _, rejected := range a.Rejected {
			for _, x := range rejected.Ranges {
				for i := x.From; i < x.To; i++ {
					got[i] = 'x'
				}
			}
		}
		if string(got) != string(want) {
			t.Fatalf("got  %s\nwant %s\n%s", got, want, in.String())
		}
	}
}

// TestOneWayIsNotCopied: a batch that goes to one pipeline goes as it came.
func TestOneWayIsNotCopied(t *testing.T) {
	in := lines("shop info one\ncart info two\n")
	same := false
	sink := pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
		same = &b.Request[0] == &in.Request[0] && b.Items == in.Items
		return nil
	})
	c := configOf(t, `table: [{context: resource, condition: "true", pipelines: [logs/a]}]`)
	connector, _ := connectorOf(t, c, pipeline.Logs, behind{"logs/a": sink})
	if err := connector.Consume(t.Context(), in); err != nil || !same {
		t.Errorf("copied: %v", err)
	}
}

// TestPipelinesThatDoNotReceive are named at the start, all of them.
func TestPipelinesThatDoNotReceive(t *testing.T) {
	c := configOf(t, `{default_pipelines: [logs/none], table: [{condition: 'log.body == "x"', pipelines: [logs/a, traces/b]}]}`)
	settings, _ := pipelinetest.Settings(t, pipeline.KindConnector, "routing")
	settings.Signal = pipeline.Logs
	_, err := New(settings, c, behind{"logs/a": &pipelinetest.Counter{}}.outputs())
	for _, want := range []string{`"table[0].pipelines"`, "traces/b", `"default_pipelines"`, "logs/none"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s in it", err, want)
		}
	}
}

// TestAConditionOfAnotherSignal is a fault of the pipeline that exports to it, not silence.
func TestAConditionOfAnotherSignal(t *testing.T) {
	c := configOf(t, `table: [{condition: 'span.name == "x"', pipelines: [logs/a]}]`)
	settings, _ := pipelinetest.Settings(t, pipeline.KindConnector, "routing")
	settings.Signal = pipeline.Logs
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if _, err := New(settings, c, behind{"logs/a": &pipelinetest.Counter{}}.outputs()); err == nil || !strings.Contains(err.Error(), `"table[0]" for logs`) {
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
	if err := confmap.NewFromStringMap(file.Connectors["routing"]).Unmarshal(c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"default_pipelines", "error_mode", "table", "context", "condition", "statement", "pipelines", "action"} {
		if !strings.Contains(string(text), "| `"+key+"` |") {
			t.Errorf("README.md has no row for %q", key)
		}
	}
}

// TestADeadPipelineHoldsOnlyItsOwn: what another pipeline takes is neither refused nor held up until the dead one answers
// (https://github.com/open-telemetry/opentelemetry-collector-contrib/issues/31775).
func TestADeadPipelineHoldsOnlyItsOwn(t *testing.T) {
	c := configOf(t, `{default_pipelines: [logs/b], table: [{condition: 'attributes["service.name"] == "shop"', pipelines: [logs/a]}]}`)
	alive := make(chan struct{})
	dead := pipeline.SinkFunc(func(context.Context, pipeline.Batch) error {
		<-alive
		return pipeline.Refuse(0, errors.New("dead"))
	})
	other := pipeline.SinkFunc(func(context.Context, pipeline.Batch) error {
		close(alive)
		return nil
	})
	connector, _ := connectorOf(t, c, pipeline.Logs, behind{"logs/a": dead, "logs/b": other})
	in := lines("shop info one\ncart info two\nshop info three\n")
	a := pipeline.Read(connector.Consume(t.Context(), in), in.Items)
	if len(a.Refused) != 2 || a.Refused[0] != (pipeline.Range{From: 0, To: 1}) || a.Refused[1] != (pipeline.Range{From: 2, To: 3}) {
		t.Errorf("refused are %v", a.Refused)
	}
	if rest := in.Remaining(a.Err()); text(rest.Request) != "shop info one\nshop info three\n" {
		t.Errorf("to send again: %q", text(rest.Request))
	}
}
