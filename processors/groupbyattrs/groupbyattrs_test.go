package groupbyattrs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

func through(t testing.TB, ld plog.Logs, keys ...string) (in, out pipeline.Batch, got plog.Logs) {
	t.Helper()
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "groupbyattrs")
	sink := &pipelinetest.Recorder{}
	p, err := New(s, &Config{Keys: keys}, sink)
	if err != nil {
		t.Fatal(err)
	}
	in = pipeline.Batch{Signal: pipeline.Logs, Request: b, Items: ld.LogRecordCount()}
	if err := p.Consume(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	out = sink.Batches()[0]
	got, err = (&plog.ProtoUnmarshaler{}).UnmarshalLogs(out.Request)
	if err != nil {
		t.Fatal(err)
	}
	return in, out, got
}

// hosts has n records in one resource, of two hosts by turns.
func hosts(n int) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	sl := rl.ScopeLogs().AppendEmpty()
	for i := range n {
		l := sl.LogRecords().AppendEmpty()
		l.Body().SetStr(fmt.Sprint(i))
		l.Attributes().PutStr("host.name", fmt.Sprint("host-", i%2))
		l.Attributes().PutStr("text", strings.Repeat("x", 200))
	}
	return ld
}

// TestNothingToMove: such a request passes as it came.
func TestNothingToMove(t *testing.T) {
	for _, keys := range [][]string{nil, {"absent"}} {
		in, out, _ := through(t, hosts(4), keys...)
		if string(in.Request) != string(out.Request) {
			t.Errorf("keys %v: changed", keys)
		}
	}
}

func TestMovedToTheResource(t *testing.T) {
	_, _, got := through(t, hosts(5), "host.name")
	if got.ResourceLogs().Len() != 2 {
		t.Fatalf("%d resources", got.ResourceLogs().Len())
	}
	var bodies []string
	for i, rl := range got.ResourceLogs().All() {
		if host, _ := rl.Resource().Attributes().Get("host.name"); host.Str() != fmt.Sprint("host-", i) || rl.Resource().Attributes().Len() != 2 {
			t.Errorf("resource %d is %v", i, rl.Resource().Attributes().AsRaw())
		}
		for _, l := range rl.ScopeLogs().At(0).LogRecords().All() {
			bodies = append(bodies, l.Body().Str())
			if _, has := l.Attributes().Get("host.name"); has || l.Attributes().Len() != 1 {
				t.Errorf("record %s has %v", l.Body().Str(), l.Attributes().AsRaw())
			}
		}
	}
	if got := strings.Join(bodies, " "); got != "0 2 4 1 3" {
		t.Errorf("the order is %s", got)
	}
}

// TestWhatIsNotEqualStaysApart: scopes by their attributes, resources by their schema URL; the Collector loses these.
func TestWhatIsNotEqualStaysApart(t *testing.T) {
	ld := hosts(1)
	hosts(1).ResourceLogs().MoveAndAppendTo(ld.ResourceLogs())
	hosts(1).ResourceLogs().MoveAndAppendTo(ld.ResourceLogs())
	ld.ResourceLogs().At(1).SetSchemaUrl("https://example.com/1")
	ld.ResourceLogs().At(2).ScopeLogs().At(0).Scope().Attributes().PutStr("a", "b")
	_, _, got := through(t, ld)
	if got.ResourceLogs().Len() != 2 || got.ResourceLogs().At(0).ScopeLogs().Len() != 2 || got.ResourceLogs().At(1).SchemaUrl() == "" {
		b, _ := (&plog.JSONMarshaler{}).MarshalLogs(got)
		t.Errorf("%s", b)
	}
}

// TestALargeResourceIsNotRepeatedWithoutBound: each record has a host of its own, and the resource is large.
func TestALargeResourceIsNotRepeatedWithoutBound(t *testing.T) {
	ld := hosts(0)
	rl := ld.ResourceLogs().At(0)
	rl.Resource().Attributes().PutStr("large", strings.Repeat("x", 1<<20))
	const n = 200
	for i := range n {
		rl.ScopeLogs().At(0).LogRecords().AppendEmpty().Attributes().PutStr("host.name", fmt.Sprint(i))
	}
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "groupbyattrs")
	items, largest := 0, 0
	p, err := New(s, &Config{Keys: []string{"host.name"}}, pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
		items, largest = items+b.Items, max(largest, len(b.Request))
		if items >= n/2 {
			return pipeline.Refuse(0, errors.New("busy"))
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	a := pipeline.Read(p.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: b, Items: n}), n)
	if largest > 2*maxCopied || items != n-a.Refused.Len()+largest/(1<<20) || len(a.Refused) != 1 || a.Refused[0].To != n {
		t.Errorf("%d items seen, %d MiB at most, refused %v", items, largest>>20, a.Refused)
	}
}

func TestValidate(t *testing.T) {
	err := (&Config{Keys: []string{"a", "", "a"}}).Validate()
	if err == nil || !strings.Contains(err.Error(), `"keys[1]" is empty`) || !strings.Contains(err.Error(), `"keys[2]": "a" is listed twice`) {
		t.Error(err)
	}
}

func BenchmarkConsume(b *testing.B) {
	request, _ := (&plog.ProtoMarshaler{}).MarshalLogs(hosts(1000))
	for name, keys := range map[string][]string{"moved": {"host.name"}, "none": nil} {
		b.Run(name, func(b *testing.B) {
			s, _ := pipelinetest.Settings(b, pipeline.KindProcessor, "groupbyattrs")
			p, err := New(s, &Config{Keys: keys}, &pipelinetest.Counter{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Consume(b.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: request, Items: 1000}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/item")
		})
	}
}
