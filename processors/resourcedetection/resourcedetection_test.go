package resourcedetection

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/processors/resourcedetection/detector"
)

// fake answers after a time, the first tries with an error.
type fake struct {
	mu    sync.Mutex
	after time.Duration
	fails int
	found detector.Attributes
	asked int
}

func (f *fake) Detect(ctx context.Context) (detector.Attributes, error) {
	select {
	case <-time.After(f.after):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.asked <= f.fails {
		return nil, errors.New("not yet")
	}
	return f.found, nil
}

// processor is one with fakes in place of its detectors.
func processor(t *testing.T, c *Config, s pipeline.Settings, fakes ...*fake) (*Processor, *pipelinetest.Recorder) {
	t.Helper()
	sink := &pipelinetest.Recorder{}
	c.Detectors = []string{"env", "system", "container"}[:len(fakes)]
	made, err := New(s, c, sink)
	if err != nil {
		t.Fatal(err)
	}
	p := made.(*Processor)
	for i, f := range fakes {
		p.found.detectors[i] = f
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p, sink
}

// batch has a record in a resource with the given host name, and one in a resource without attributes.
func batch(t *testing.T, host string) pipeline.Batch {
	ld := plog.NewLogs()
	a := ld.ResourceLogs().AppendEmpty()
	a.Resource().Attributes().PutStr("host.name", host)
	a.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("x")
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{Signal: pipeline.Logs, Request: b, Items: 2}
}

func resources(t *testing.T, b pipeline.Batch) (out []map[string]any) {
	t.Helper()
	ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(b.Request)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range ld.ResourceLogs().All() {
		out = append(out, r.Resource().Attributes().AsRaw())
	}
	return out
}

func TestFirstDetectorDecides(t *testing.T) {
	for _, override := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "resource_detection")
			c := Default()
			c.Override = override
			p, sink := processor(t, c, s, &fake{after: time.Second, found: detector.Attributes{"host.name": "cloud"}},
				&fake{found: detector.Attributes{"host.name": "machine", "host.ip": []string{"10.0.0.1", "::1"}, "n": int64(7)}})
			begin := time.Now()
			if err := p.Consume(t.Context(), batch(t, "app")); err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(begin); waited != time.Second {
				t.Errorf("the batch waited %s", waited)
			}
			got := resources(t, sink.Batches()[0])
			want := map[bool]string{true: "cloud", false: "app"}[override]
			if got[0]["host.name"] != want || got[1]["host.name"] != "cloud" || len(got[1]["host.ip"].([]any)) != 2 || got[1]["n"] != int64(7) {
				t.Errorf("override %v: %v", override, got)
			}
			if err := p.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestABatchWaitsForTheTimeoutOnly: what a slow detector finds later counts from then on, and what passed is counted.
func TestABatchWaitsForTheTimeoutOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "resource_detection")
		p, sink := processor(t, Default(), s, &fake{found: detector.Attributes{"a": "1"}}, &fake{fails: 3, after: 2 * time.Second, found: detector.Attributes{"b": "2"}})
		begin := time.Now()
		for range 2 {
			if err := p.Consume(t.Context(), batch(t, "app")); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(begin); waited != 2*time.Second { // its first failure is an answer
			t.Errorf("the batches waited %s", waited)
		}
		time.Sleep(time.Minute)
		if err := p.Consume(t.Context(), batch(t, "app")); err != nil {
			t.Fatal(err)
		}
		got := sink.Batches()
		if first, last := resources(t, got[0])[1], resources(t, got[2])[1]; first["a"] != "1" || first["b"] != nil || last["b"] != "2" {
			t.Errorf("%v, then %v", first, last)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "resource_detection")
		p, sink := processor(t, Default(), s, &fake{after: time.Hour})
		begin := time.Now()
		if err := p.Consume(t.Context(), batch(t, "app")); err != nil || sink.Items() != 2 {
			t.Errorf("%v, %d items", err, sink.Items())
		}
		if waited := time.Since(begin); waited != 5*time.Second {
			t.Errorf("the batch waited %s", waited)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		other, _ := processor(t, Default(), settings(t), &fake{after: time.Hour})
		if _, refused := pipeline.AsRefused(other.Consume(ctx, batch(t, "app"))); !refused {
			t.Error("a caller that left was not refused")
		}
		for _, p := range []*Processor{p, other} {
			if err := p.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func settings(t *testing.T) pipeline.Settings {
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "resource_detection")
	return s
}

func TestRefreshKeepsWhatWasKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Default()
		c.RefreshInterval = time.Minute
		f := &fake{found: detector.Attributes{"zone": "a"}}
		p, sink := processor(t, c, settings(t), f)
		look := func() any {
			if err := p.Consume(t.Context(), batch(t, "app")); err != nil {
				t.Fatal(err)
			}
			all := sink.Batches()
			return resources(t, all[len(all)-1])[1]["zone"]
		}
		if z := look(); z != "a" {
			t.Errorf("at first %v", z)
		}
		synctest.Wait()
		f.mu.Lock()
		f.found, f.fails = detector.Attributes{"zone": "b"}, 2
		f.mu.Unlock()
		time.Sleep(time.Minute + time.Millisecond)
		if z := look(); z != "a" {
			t.Errorf("after a failed refresh %v", z)
		}
		time.Sleep(5 * time.Second)
		if z := look(); z != "b" {
			t.Errorf("then %v", z)
		}
		f.mu.Lock()
		f.found = nil
		f.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if z := look(); z != "b" {
			t.Errorf("after a refresh that found nothing %v", z)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAReloadWaitsForNobody: what was known before it counts.
func TestAReloadWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := settings(t)
		p, _ := processor(t, Default(), s, &fake{found: detector.Attributes{"a": "1"}})
		synctest.Wait()
		s.Estates.Open()
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		other := settings(t)
		other.Estates = s.Estates
		p, sink := processor(t, Default(), other, &fake{after: time.Hour})
		begin := time.Now()
		if err := p.Consume(t.Context(), batch(t, "app")); err != nil || time.Since(begin) > 0 {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		if got := resources(t, sink.Batches()[0])[1]; got["a"] != "1" {
			t.Errorf("%v", got)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestValidate(t *testing.T) {
	c := Default()
	c.Detectors = []string{"env", "ec3", "env"}
	c.Timeout, c.RefreshInterval = 0, time.Millisecond
	c.System.HostnameSources = []string{"dsn"}
	c.EC2.Tags = []string{"("}
	c.K8sNode.AuthType = "kubeConfig"
	c.GCP.ResourceAttributes = map[string]Enabled{"host.nmae": {true}}
	err := c.Validate()
	for _, want := range []string{`"detectors[1]" is "ec3"`, "listed twice", `"timeout"`, `"refresh_interval"`, `hostname_sources[0]`, "tags_from_imds", "tags[0]", "k8snode::auth_type", "gcp::resource_attributes::host.nmae"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault has %q:\n%v", want, err)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	c = Default() // what the Collector's detectors find and these do not may be switched off
	c.EKS.ResourceAttributes = map[string]Enabled{"k8s.cluster.name": {false}}
	c.GCP.ResourceAttributes = map[string]Enabled{"faas.name": {false}}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	c.EKS.ResourceAttributes["k8s.cluster.name"] = Enabled{true}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `"eks::resource_attributes::k8s.cluster.name" is not supported`) {
		t.Error(err)
	}
	pipelinetest.Decode(t, Default(), "ec2: {max_attempts: 10, max_backoff: 5m}") // a test of the Collector's README
}

func BenchmarkConsume(b *testing.B) {
	s, _ := pipelinetest.Settings(b, pipeline.KindProcessor, "resource_detection")
	var next pipelinetest.Counter
	made, err := New(s, Default(), &next)
	if err != nil {
		b.Fatal(err)
	}
	p := made.(*Processor)
	p.found.detectors[0] = &fake{found: detector.Attributes{"host.name": "machine", "cloud.region": "eu-west-1", "cloud.provider": "aws", "host.id": "i-1"}}
	if err := p.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer p.Stop(b.Context())
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	for range 1000 {
		rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(strings.Repeat("x", 300))
	}
	request, _ := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	in := pipeline.Batch{Signal: pipeline.Logs, Request: request, Items: 1000}
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Consume(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/item")
}
