package batch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// picky answers item by item: records whose body begins with "bad-" are rejected, those with "later-" refused.
func picky(b pipeline.Batch) error {
	g := pipeline.NewGather(b.Items)
	for i, body := range bodies(b.Request) {
		at := pipeline.Ranges{{From: i, To: i + 1}}
		switch {
		case strings.HasPrefix(body, "bad-"):
			g.Reject(pipeline.Rejected{Ranges: at, Reason: pipeline.DropTooOld, Err: errors.New("too old")})
		case strings.HasPrefix(body, "later-"):
			g.Refuse(at, pipeline.Refuse(time.Second, errors.New("busy")))
		}
	}
	return g.Err()
}

// TestEachCallerIsToldWhatItsOwnItemsMet: also when one request has all three fates in it.
func TestEachCallerIsToldWhatItsOwnItemsMet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := gated(func(_ context.Context, b pipeline.Batch) error { return picky(b) })
		cfg := Default()
		cfg.MaxInFlight = 1
		p, _ := newProcessor(t, cfg, sink)
		release := occupied(t, p, make(chan struct{}))
		var wg sync.WaitGroup
		for _, names := range []string{"a", "bad", "later", "a bad later a", "bad later"} {
			b := pipeline.Batch{Signal: pipeline.Logs}
			for name := range strings.FieldsSeq(names) {
				one := logs(name, 2)
				b.Request, b.Items = append(b.Request, one.Request...), b.Items+2
			}
			wg.Go(func() {
				a := pipeline.Read(p.Consume(t.Context(), b), b.Items)
				want := pipeline.Read(picky(b), b.Items)
				if fmt.Sprint(a.Refused) != fmt.Sprint(want.Refused) || len(a.Rejected) != len(want.Rejected) ||
					len(a.Rejected) > 0 && fmt.Sprint(a.Rejected[0].Ranges) != fmt.Sprint(want.Rejected[0].Ranges) {
					t.Errorf("%s: %+v, want %+v", names, a, want)
				}
			})
			synctest.Wait()
		}
		release()
		wg.Wait()
	})
}

// TestASplitRequestKeepsItsOrder: one part follows the other, and what is behind a refused part is refused, too.
func TestASplitRequestKeepsItsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, inside := 0, 0
		sink := &pipelinetest.Recorder{Answer: func(context.Context, pipeline.Batch) error {
			calls++
			if inside++; inside > 1 {
				t.Error("two parts of one request are on their way side by side")
			}
			time.Sleep(time.Duration(5-calls) * time.Second)
			inside--
			if calls == 3 {
				return pipeline.Refuse(0, errors.New("full"))
			}
			return nil
		}}
		cfg := Default()
		cfg.SendBatchSize, cfg.SendBatchMaxSize = 10, 10
		p, _ := newProcessor(t, cfg, sink)
		a := pipeline.Read(p.Consume(t.Context(), logs("x", 45)), 45)
		if calls != 3 || fmt.Sprint(a.Refused) != "[{20 45}]" {
			t.Errorf("%d calls, refused %v; want 3 and the items from 20 on", calls, a.Refused)
		}
		var got []string
		for _, b := range sink.Batches() {
			got = append(got, bodies(b.Request)...)
		}
		for i, body := range got {
			if body != fmt.Sprint("x-", i) {
				t.Fatalf("item %d is %s", i, body)
			}
		}
	})
}

// TestAThousandAgentsBecomeAFewRequests: a fast destination and many small requests; and once the others are gone, a
// lone client does not wait for them.
func TestAThousandAgentsBecomeAFewRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := slow(time.Millisecond)
		p, _ := newProcessor(t, Default(), sink)
		var wg sync.WaitGroup
		longest := time.Duration(0)
		var mu sync.Mutex
		for i := range 200 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 5 * time.Millisecond)
				for range 10 {
					begin := time.Now()
					b := logs("x", 2)
					b.Origin.Peer = fmt.Sprint("10.0.0.1:", i)
					if err := p.Consume(t.Context(), b); err != nil {
						t.Error(err)
					}
					mu.Lock()
					longest = max(longest, time.Since(begin))
					mu.Unlock()
					time.Sleep(time.Second)
				}
			})
		}
		begin := time.Now()
		wg.Wait()
		if n, s := len(sink.Batches()), time.Since(begin).Seconds(); float64(n) > 8*s {
			t.Errorf("%d requests in %.0f s", n, s)
		}
		if longest > Default().Timeout+10*time.Millisecond {
			t.Errorf("a request waited %s", longest)
		}
		late := 0
		for range 100 {
			begin := time.Now()
			b := logs("x", 2)
			b.Origin.Peer = "10.0.0.2:1"
			p.Consume(t.Context(), b)
			if time.Since(begin) > 2*time.Millisecond {
				late++
			}
		}
		if late > 3 {
			t.Errorf("a lone client waited %d times for agents that are gone", late)
		}
	})
}

// TestALoneClientIsNeverDelayed: nor one with several requests at once, nor, but for a few, one that makes a new
// connection for each request.
func TestALoneClientIsNeverDelayed(t *testing.T) {
	for _, c := range []struct {
		name         string
		peer         func(worker, i int) string
		workers      int
		mayBeDelayed int
	}{
		{name: "one connection", peer: func(int, int) string { return "a:1" }, workers: 1},
		{name: "several at once", peer: func(int, int) string { return "a:1" }, workers: 4},
		{name: "our own", peer: func(int, int) string { return "" }, workers: 3},
		{name: "a connection each", peer: func(_, i int) string { return fmt.Sprint("a:", i) }, workers: 1, mayBeDelayed: 10},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := newProcessor(t, Default(), slow(20*time.Millisecond))
			var wg sync.WaitGroup
			var mu sync.Mutex
			late := 0
			for w := range c.workers {
				wg.Go(func() {
					for i := range 200 {
						begin := time.Now()
						b := logs("x", 1)
						b.Origin.Peer = c.peer(w, i)
						p.Consume(t.Context(), b)
						mu.Lock()
						if time.Since(begin) > 20*time.Millisecond {
							late++
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if late > c.mayBeDelayed {
				t.Errorf("%s: %d of %d requests were delayed", c.name, late, 200*c.workers)
			}
		})
	}
}
