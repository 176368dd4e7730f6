package batch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// exporter is a sink that takes a while and rejects whatever contains "bad-", behind an exporter's door.
func exporter(t *testing.T, wait time.Duration, requests *atomic.Int32) (pipeline.Sink, *pipelinetest.Recorder) {
	rec := gated(func(_ context.Context, b pipeline.Batch) error {
		requests.Add(1)
		time.Sleep(wait)
		if strings.Contains(string(b.Request), "bad-") {
			return &pipeline.Rejected{Items: b.Items, Reason: pipeline.DropRejected, Divide: true, Err: errors.New("400")}
		}
		return nil
	})
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "x")
	return s.Entrance(pipeline.Logs, rec), rec
}

// merging is a processor whose only place is taken, so that callers are merged until the release.
func merging(t *testing.T, next pipeline.Sink) (p *Processor, release func()) {
	cfg := Default()
	cfg.MaxInFlight = 1
	p, _ = newProcessor(t, cfg, next)
	return p, occupied(t, p, make(chan struct{}))
}

// TestABadClientCostsTheOthersLittleTime: among 150 callers it is found in a few requests, well within the time that
// an SDK gives a call, and nobody's records are sent twice.
func TestABadClientCostsTheOthersLittleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int32
		sink, rec := exporter(t, 100*time.Millisecond, &requests)
		p, release := merging(t, sink)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		begin := time.Now()
		for i := range 150 {
			name := fmt.Sprint("good", i)
			if i == 77 {
				name = "bad"
			}
			wg.Go(func() {
				err := p.Consume(ctx, logs(name, 1))
				if _, never := pipeline.AsRejected(err); never != (i == 77) || !never && err != nil {
					t.Errorf("caller %d got %v", i, err)
				}
			})
		}
		synctest.Wait()
		release()
		wg.Wait()
		if n := requests.Load(); n > 20 || time.Since(begin) > 3*time.Second {
			t.Errorf("%d requests and %s for one bad client", n, time.Since(begin))
		}
		seen := map[string]int{}
		for _, b := range rec.Batches() {
			for _, body := range bodies(b.Request) {
				seen[body]++
			}
		}
		delete(seen, "gate-0") // what kept the processor busy
		if len(seen) != 149 {
			t.Errorf("%d records arrived, want 149", len(seen))
		}
		for body, n := range seen {
			if n > 1 {
				t.Errorf("%s arrived %d times", body, n)
			}
		}
	})
}

// TestManyBadClientsAreFoundInRounds: when the callers' time does not suffice to find all, some are told in each round,
// and whoever is refused comes again among fewer.
func TestManyBadClientsAreFoundInRounds(t *testing.T) {
	for _, every := range []int{1, 5, 15} {
		synctest.Test(t, func(t *testing.T) {
			var requests atomic.Int32
			sink, _ := exporter(t, 100*time.Millisecond, &requests)
			p, release := merging(t, sink)
			var wg sync.WaitGroup
			begin := time.Now()
			for i := range 150 {
				name := fmt.Sprint("good", i)
				if i%every == 0 {
					name = "bad"
				}
				wg.Go(func() {
					for {
						ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
						err := p.Consume(ctx, logs(name, 1))
						cancel()
						if _, refused := pipeline.AsRefused(err); refused {
							time.Sleep(time.Second)
							continue
						}
						if _, never := pipeline.AsRejected(err); never != (name == "bad") {
							t.Errorf("caller %d got %v", i, err)
						}
						return
					}
				})
			}
			synctest.Wait()
			release()
			wg.Wait()
			if time.Since(begin) > 2*time.Minute {
				t.Errorf("one of %d is bad: the last caller was answered after %s", every, time.Since(begin))
			}
		})
	}
}

// TestTwoLevelsOfMerging: callers that bring several parts each get their own parts' answers, and nil when all of them
// were taken.
func TestTwoLevelsOfMerging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int32
		sink, _ := exporter(t, 0, &requests)
		p, release := merging(t, sink)
		var wg sync.WaitGroup
		for _, names := range [][2]string{{"a", "bad"}, {"c", "d"}, {"bad", "bad"}} {
			b := pipeline.Batch{Signal: pipeline.Logs}
			for _, name := range names {
				part := logs(name, 1)
				b.Request = append(b.Request, part.Request...)
				b.Items++
				b.Parts = append(b.Parts, pipeline.Part{End: len(b.Request), Items: 1})
			}
			wg.Go(func() {
				err := p.Consume(t.Context(), b)
				each, apart := pipeline.AsApart(err, b)
				for i, name := range names {
					if name == "bad" && (!apart || each[i] == nil) || name != "bad" && apart && each[i] != nil {
						t.Errorf("%v got %v", names, err)
					}
				}
				if names[1] == "d" && err != nil {
					t.Errorf("%v got %v", names, err)
				}
			})
			synctest.Wait()
		}
		release()
		wg.Wait()
	})
}

// TestAMergedRequestIsSplitWhereItWasJoined: a bad part of what comes merged costs only itself, also when the whole is
// too large to go on as it is.
func TestAMergedRequestIsSplitWhereItWasJoined(t *testing.T) {
	for _, limit := range []int{0, 10, 4, 2} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			var requests atomic.Int32
			sink, rec := exporter(t, 0, &requests)
			cfg := Default()
			cfg.SendBatchSize, cfg.SendBatchMaxSize = limit, limit
			p, _ := newProcessor(t, cfg, sink)
			merged := pipeline.Batch{Signal: pipeline.Logs}
			for _, name := range []string{"a", "bad", "c", "d", "e"} {
				part := logs(name, 3)
				merged.Request = append(merged.Request, part.Request...)
				merged.Items += 3
				merged.Parts = append(merged.Parts, pipeline.Part{End: len(merged.Request), Items: 3})
			}
			rej, never := pipeline.AsRejected(p.Consume(t.Context(), merged))
			if !never || rej.Items != 3 || rec.Items() != 12 {
				t.Errorf("%d items arrived, the answer is %+v", rec.Items(), rej)
			}
			for _, b := range rec.Batches() {
				if limit > 0 && b.Items > limit {
					t.Errorf("a request has %d items", b.Items)
				}
			}
		})
	}
}
