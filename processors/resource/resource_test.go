package resource

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/ottl/actions"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// request is one ResourceLogs with the given resource body and one record.
func request(resource []byte) wire.Request {
	b, mark := wire.BeginMessage(nil, wire.FieldRequestResource)
	if resource != nil {
		b = wire.AppendBytes(b, wire.FieldResourceXResource, resource)
	}
	b, sc := wire.BeginMessage(b, wire.FieldResourceXScope)
	b = wire.AppendBytes(b, wire.FieldScopeXItem, wire.AppendFixed64(nil, wire.FieldLogTime, 7))
	b = wire.EndMessage(b, sc)
	return wire.Request(wire.EndMessage(b, mark))
}

// parse reads "key = value" lines into a resource body. Values in quotes are strings, true and false are bools,
// the rest are numbers.
func parse(t *testing.T, text string) []byte {
	t.Helper()
	out := []byte{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), " = ")
		if !ok {
			continue
		}
		var v any
		if err := yaml.Unmarshal([]byte(value), &v); err != nil {
			t.Fatal(err)
		}
		out, _ = actions.Plain([]Action{{Key: key, Action: "insert", Value: v}}).AppendResource(nil, out)
	}
	return out
}

func dump(resource []byte) string {
	var b strings.Builder
	for f := wire.MessageFields(resource); f.Next(); {
		if f.Number() != wire.FieldResourceAttributes {
			fmt.Fprintf(&b, "field %d: %x\n", f.Number(), f.Framed())
			continue
		}
		key, v := wire.ParseKeyValue(f.Body())
		if v.Kind() == wire.ValueString {
			fmt.Fprintf(&b, "%s = %q\n", key, v.Str())
		} else {
			fmt.Fprintf(&b, "%s = %s\n", key, v.AppendText(nil))
		}
	}
	return b.String()
}

// TestCases runs testdata/*.txtar: config (YAML), in and want (attributes). A case runs twice through one
// processor, so that the cache answers the second time.
func TestCases(t *testing.T) {
	pipelinetest.ConfigCases(t, Default, func(t *testing.T, cfg *Config, part map[string]string) {
		sink := &pipelinetest.Recorder{}
		s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "resource")
		p, err := New(s, cfg, sink)
		if err != nil {
			t.Fatal(err)
		}
		in := request(parse(t, part["in"]))
		before := bytes.Clone(in)
		for range 2 {
			if err := p.Consume(context.Background(), pipeline.Batch{Signal: wire.Logs, Request: in, Items: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(before, in) {
			t.Error("the request was modified in place")
		}
		for i, b := range sink.Batches() {
			res := b.Request.Resources()
			res.Next()
			if got := dump(res.Resource()); got != part["want"] {
				t.Errorf("pass %d:\n%swant:\n%s", i+1, got, part["want"])
			}
			if _, _, err := wire.Check(wire.Logs, b.Request, wire.Limits{}); err != nil {
				t.Errorf("the result is not OTLP: %v", err)
			}
			if wire.Count(wire.Logs, b.Request) != 1 {
				t.Error("the record is gone")
			}
		}
	})
}

// TestUnknownFieldsSurvive: what we do not know is copied, whatever the actions do.
func TestUnknownFieldsSurvive(t *testing.T) {
	res := parse(t, "a = \"1\"\n")
	res = wire.AppendUint(res, wire.FieldResourceDroppedAttributes, 3)
	res = wire.AppendString(res, 99, "from the future")
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "resource")
	sink := &pipelinetest.Recorder{}
	p, err := New(s, &Config{Attributes: []Action{{Key: "a", Action: "delete"}, {Key: "b", Action: "insert", Value: 2}}}, sink)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Consume(t.Context(), pipeline.Batch{Signal: wire.Logs, Request: request(res), Items: 1}); err != nil {
		t.Fatal(err)
	}
	c := sink.Batches()[0].Request.Resources()
	c.Next()
	got := dump(c.Resource())
	for _, want := range []string{"field 2: 1003", "field 99:", "b = 2"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing from:\n%s", want, got)
		}
	}
}

// FuzzCacheAgainstEdit holds the cached answer against the slow path, for resources that come in any order.
func FuzzCacheAgainstEdit(f *testing.F) {
	f.Add([]byte("a\x01b\x02a\x01"), "a", "x")
	f.Add([]byte(""), "service.name", "shop")
	f.Fuzz(func(t *testing.T, keys []byte, key, value string) {
		if key == "" || strings.ContainsRune(key, 0) {
			return
		}
		edit := actions.Plain([]Action{
			{Key: key, Action: "upsert", Value: value}, {Key: "a", Action: "delete"}, {Key: "c", Action: "insert", FromAttribute: key},
		})
		if edit == nil {
			return
		}
		p := &Processor{edit: edit, cache: cache{done: map[string]verdict{}}}
		for i := range keys {
			res := wire.AppendStringAttribute(nil, wire.FieldResourceAttributes, string(keys[:i]), value)
			for range 2 {
				got, gotChanged := p.replace(nil, res)
				want, wantChanged := edit.AppendResource(nil, res)
				if gotChanged != wantChanged || !bytes.Equal(got, want) {
					t.Fatalf("cache: %x %v, edit: %x %v", got, gotChanged, want, wantChanged)
				}
			}
		}
	})
}

func BenchmarkConsume(b *testing.B) {
	s, _ := pipelinetest.Settings(b, pipeline.KindProcessor, "resource")
	cfg := &Config{Attributes: []Action{{Key: "deployment.environment.name", Action: "upsert", Value: "prod"}}}
	p, err := New(s, cfg, &pipelinetest.Counter{})
	if err != nil {
		b.Fatal(err)
	}
	res := wire.AppendStringAttribute(nil, wire.FieldResourceAttributes, "service.name", "checkout")
	req := request(res)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Consume(b.Context(), pipeline.Batch{Signal: wire.Logs, Request: req, Items: 1}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestFromContext: what came with each request, never what came with another one.
func TestFromContext(t *testing.T) {
	c := &Config{Attributes: []Action{
		{Key: "tenant", Action: "upsert", FromContext: "metadata.X-Tenant"},
		{Key: "client", Action: "insert", FromContext: "client.address"},
	}}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "resource")
	sink := &pipelinetest.Recorder{}
	p, err := New(s, c, sink)
	if err != nil {
		t.Fatal(err)
	}
	keys := (&pipeline.Config{Instances: []pipeline.Instance{{Config: c}}}).MetadataKeys()
	for _, tenants := range [][]string{{"acme", "second"}, nil, {"other"}} {
		b := pipeline.Batch{Signal: wire.Logs, Request: request(nil), Items: 1, Origin: pipeline.Origin{Peer: "[::1]:55"}}
		b.Origin.Metadata, _ = keys.Of(func(string) []string { return tenants })
		if err := p.Consume(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"tenant = \"acme;second\"\nclient = \"::1\"\n", "client = \"::1\"\n", "tenant = \"other\"\nclient = \"::1\"\n"} {
		res := sink.Batches()[i].Request.Resources()
		res.Next()
		if got := dump(res.Resource()); got != want {
			t.Errorf("request %d: got\n%swant\n%s", i, got, want)
		}
	}
	for _, bad := range []string{"auth.subject", "metadata.", "header x"} {
		c.Attributes[0].FromContext = bad
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
