package allinone

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/processors/attributes"
	"github.com/sluiceio/sluice/processors/batch"
	"github.com/sluiceio/sluice/processors/canary"
	"github.com/sluiceio/sluice/processors/filter"
	"github.com/sluiceio/sluice/processors/groupbyattrs"
	"github.com/sluiceio/sluice/processors/k8sattributes"
	"github.com/sluiceio/sluice/processors/limit"
	"github.com/sluiceio/sluice/processors/memorylimiter"
	"github.com/sluiceio/sluice/processors/probabilisticsampler"
	"github.com/sluiceio/sluice/processors/redaction"
	"github.com/sluiceio/sluice/processors/resource"
	"github.com/sluiceio/sluice/processors/resourcedetection"
	"github.com/sluiceio/sluice/processors/transform"
	"github.com/sluiceio/sluice/wire"
)

// configurations make each processor do something. A new processor is added here.
var configurations = map[string]func() any{
	"memory_limiter": func() any { c := memorylimiter.Default(); c.LimitMiB = 100; return c },
	"resource": func() any {
		c := resource.Default()
		c.Attributes = []resource.Action{{Key: "host", Action: "upsert", Value: "a name that makes the request longer"}, {Key: "long", Action: "delete"}}
		return c
	},
	"resource_detection": func() any { c := resourcedetection.Default(); c.Detectors = []string{"system"}; return c },
	"k8s_attributes":     func() any { c := k8sattributes.Default(); c.Passthrough = true; return c },
	"probabilistic_sampler": func() any {
		c := probabilisticsampler.Default()
		c.SamplingPercentage, c.FailClosed = 50, false // the records have no trace ID
		return c
	},
	"groupbyattrs": func() any { c := groupbyattrs.Default(); c.Keys = []string{"digit"}; return c },
	"limit": func() any {
		c := limit.Default()
		c.By, c.RecordsPerSecond = "long", 1e9
		return c
	},
	"filter": func() any {
		c := filter.Default()
		c.Logs.LogRecord = []string{`IsMatch(body, "7$")`}
		return c
	},
	"attributes": func() any {
		c := attributes.Default()
		c.Actions = []attributes.Action{{Key: "new", Value: "x", Action: "insert"}, {Key: "long", Action: "delete"}}
		return c
	},
	"transform": func() any {
		c := transform.Default()
		c.LogStatements = []any{`set(log.attributes["long"], resource.attributes["long"]) where IsMatch(log.body, "[02468]$")`,
			`set(resource.attributes["last"], log.body)`}
		return c
	},
	"redaction": func() any {
		c := redaction.Default()
		c.AllowedKeys, c.BlockedKeyPatterns, c.HashFunction, c.Summary = []string{"long"}, []string{"^long$"}, "md5", "debug"
		return c
	},
	"canary": func() any { return canary.Default() },
	"batch":  func() any { c := batch.Default(); c.SendBatchSize, c.SendBatchMaxSize = 7, 7; return c },
}

// removes says which items a processor's configuration drops.
var removes = map[string]func(n int) bool{"filter": func(n int) bool { return n%10 == 7 }}

// TestEveryProcessorKeepsAnswersApart puts each processor between batch and a destination that takes, rejects and refuses
// at random, item by item. Every caller must be told what its own items met, however the processor changed the request.
func TestEveryProcessorKeepsAnswersApart(t *testing.T) {
	for _, c := range Components() {
		if c.Kind != pipeline.KindProcessor {
			continue
		}
		config := configurations[c.Type]
		if config == nil {
			t.Errorf("%s has no configuration in this test; add one", c.Type)
			continue
		}
		for seed := range uint64(20) {
			t.Run(fmt.Sprint(c.Type, seed), func(t *testing.T) { holdProcessor(t, c, config(), seed) })
		}
	}
}

func holdProcessor(t *testing.T, c pipeline.Component, config any, seed uint64) {
	fate := func(n int) byte { return "...xr"[(uint64(n)*0x9E3779B97F4A7C15^seed)>>40%5] }
	destination := pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
		g := pipeline.NewGather(b.Items)
		i := 0
		for res := b.Request.Resources(); res.Next(); {
			for sc := res.Scopes(); sc.Next(); {
				for it := sc.Items(); it.Next(); {
					l := wire.ParseLog(it.Bytes())
					n, err := strconv.Atoi(string(l.Body.Str()))
					if err != nil {
						t.Error(err)
					}
					at := pipeline.Ranges{{From: i, To: i + 1}}
					switch fate(n) {
					case 'x':
						g.Reject(pipeline.Rejected{Ranges: at, Reason: pipeline.DropTooOld, Err: errors.New("old")})
					case 'r':
						g.Refuse(at, pipeline.Refuse(0, errors.New("busy")))
					}
					i++
				}
			}
		}
		return g.Err()
	})
	s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, c.Type)
	p, err := c.NewProcessor(s, config, destination)
	if err != nil {
		t.Fatal(err)
	}
	if starter, is := p.(pipeline.Starter); is {
		if err := starter.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if stopper, is := p.(pipeline.Stopper); is {
			defer stopper.Stop(context.Background())
		}
	}
	bs, ledger := pipelinetest.Settings(t, pipeline.KindProcessor, "batch")
	cfg := batch.Default()
	cfg.MaxInFlight = 1
	front, err := batch.New(bs, cfg, p)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(seed, 1))
	var callers sync.WaitGroup
	next := 0
	for range 30 {
		first, n := next, 1+rnd.IntN(20)
		next += n
		callers.Go(func() {
			a := pipeline.Read(front.Consume(t.Context(), numbered(first, n)), n)
			got := make([]byte, n)
			for i := range got {
				got[i] = '.'
			}
			for _, x := range a.Refused {
				for i := x.From; i < x.To; i++ {
					got[i] = 'r'
				}
			}
			for _, r := range a.Rejected {
				for _, x := range r.Ranges {
					for i := x.From; i < x.To; i++ {
						got[i] = 'x'
					}
				}
			}
			refused := false
			for i := range got {
				want := fate(first + i)
				if removes[c.Type] != nil && removes[c.Type](first+i) {
					want = '.' // gone on purpose, so taken
				}
				// What is behind a refused part of a split request is refused unseen, to keep the order.
				if got[i] != want && !(got[i] == 'r' && (refused || c.Type == "batch")) {
					t.Errorf("item %d of %d: %q, want %q", first+i, n, got[i], want)
				}
				refused = refused || want == 'r'
			}
		})
	}
	callers.Wait()
	if ledger.Unaccounted() != 0 {
		t.Errorf("%d unaccounted for", ledger.Unaccounted())
	}
}

// numbered is a request of records whose bodies are numbers.
func numbered(first, n int) pipeline.Batch {
	b, res := wire.BeginMessage(nil, wire.FieldRequestResource)
	b, attrs := wire.BeginMessage(b, wire.FieldResourceXResource)
	b = wire.AppendStringAttribute(b, wire.FieldResourceAttributes, "long", fmt.Sprint(first))
	b = wire.EndMessage(b, attrs)
	b, scope := wire.BeginMessage(b, wire.FieldResourceXScope)
	for i := range n {
		var rec, body int
		b, rec = wire.BeginMessage(b, wire.FieldScopeXItem)
		b, body = wire.BeginMessage(b, wire.FieldLogBody)
		b = wire.AppendString(b, wire.FieldValueString, strconv.Itoa(first+i))
		b = wire.AppendStringAttribute(wire.EndMessage(b, body), wire.FieldLogAttributes, "digit", strconv.Itoa((first+i)%3))
		b = wire.EndMessage(b, rec)
	}
	return pipeline.Batch{Signal: pipeline.Logs, Request: wire.EndMessage(wire.EndMessage(b, scope), res), Items: n}
}
