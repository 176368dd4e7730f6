package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/spool/spooltest"
)

// outage is a queue whose destination is away, and comes back.
type outage struct {
	t       *testing.T
	q       *Queue
	away    atomic.Bool
	sink    pipeline.Sink
	late    atomic.Int64 // backlog on the wire
	arrived chan arrival
	put     int
}

type arrival struct {
	text    string
	at, put time.Time
	late    int64 // backlog on the wire at that moment
}

func newOutage(t *testing.T, fs *spooltest.FS, s pipeline.Settings, fresh bool) *outage {
	o := &outage{t: t, q: openWith(t, fs, s, func(o *Options) { o.FreshFirst, o.Consumers = fresh, 8 }), arrived: make(chan arrival, 1<<16)}
	o.sink = s.Entrance(pipeline.Logs, pipeline.SinkFunc(o.q.Put))
	for range 8 {
		go o.consume()
	}
	return o
}

func (o *outage) consume() {
	for {
		it, err := o.q.Take(context.Background())
		if err != nil {
			return
		}
		late := int64(0)
		if time.Since(it.Stored) > freshFor {
			late = o.late.Add(1)
		}
		time.Sleep(100 * time.Millisecond)
		if o.away.Load() {
			if late > 0 {
				o.late.Add(-1)
			}
			it.Back(nil, &pipeline.Refused{})
			continue
		}
		o.arrived <- arrival{string(it.body), time.Now(), it.Stored, late}
		if late > 0 {
			o.late.Add(-1)
		}
		o.q.o.Books.Delivered(it.Signal, it.Items, it.Size)
		it.Settle()
	}
}

func (o *outage) live(d time.Duration, every time.Duration) {
	o.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(every) {
		if err := o.sink.Consume(o.t.Context(), batchOf(fmt.Sprintf("<%d>", o.put))); err != nil {
			o.t.Error(err)
		}
		o.put++
	}
}

// TestFreshFirst: after an outage live data arrives in time while the backlog is sent beside it, in at most a quarter of the
// requests; everything arrives once, and the books close. Oldest first, live data waits for the backlog.
func TestFreshFirst(t *testing.T) {
	for _, fresh := range []bool{true, false} {
		t.Run(fmt.Sprint(fresh), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
				o := newOutage(t, spooltest.NewFS(), s, fresh)
				o.away.Store(true)
				o.live(time.Minute, 500*time.Millisecond)
				o.away.Store(false)
				time.Sleep(35 * time.Second) // the longest pause, without live data
				o.away.Store(true)
				o.live(9*time.Minute, 500*time.Millisecond)
				backlog := o.put
				o.away.Store(false)
				back := time.Now()
				o.live(40*time.Second, 50*time.Millisecond)
				var worst time.Duration
				var beside int64
				for len(o.arrived) > 0 {
					a := <-o.arrived
					if a.at.Sub(back) > 35*time.Second { // the pause, and the ramp
						if a.at.Sub(a.put) < time.Minute {
							worst = max(worst, a.at.Sub(a.put))
						}
						beside = max(beside, a.late)
					}
				}
				left := o.q.Status().Records
				if fresh && (worst > time.Second || beside > 2 || beside == 0 || left == 0) {
					t.Errorf("live data took up to %s; %d requests of backlog at once, %d records left of %d", worst, beside, left, backlog)
				}
				time.Sleep(10 * time.Minute)
				if left := o.q.Status(); left.Records != 0 {
					t.Errorf("%d records are left", left.Records)
				}
				_ = o.q.Close()
				if n := l.Unaccounted(); n != 0 {
					t.Errorf("%d items unaccounted for", n)
				}
			})
		})
	}
}

// TestFreshFirstThroughACrash: what was sent ahead of the backlog does not come again, but for the last 100 ms and what was on
// the wire; nothing is lost.
func TestFreshFirstThroughACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
		fs := spooltest.NewFS()
		o := newOutage(t, fs, s, true)
		o.away.Store(true)
		o.live(5*time.Minute, 250*time.Millisecond)
		o.away.Store(false)
		o.live(40*time.Second, 50*time.Millisecond)
		seen := map[string]int{}
		var last []arrival
		note := func(o *outage) {
			for len(o.arrived) > 0 {
				a := <-o.arrived
				seen[a.text]++
				last = append(last, a)
			}
		}
		note(o)
		crash := time.Now()
		late := 0
		for _, a := range last {
			if a.at.After(crash.Add(-150 * time.Millisecond)) {
				late++
			}
		}
		if left := o.q.Status().Records; left < 100 {
			t.Errorf("%d records left: the crash comes too late", left)
		}
		after := fs.Crash(spooltest.KeepNone)
		put := o.put
		_ = o.q.Close()
		for len(o.arrived) > 0 {
			<-o.arrived // after the crash: never happened
		}
		s2, l := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
		o = newOutage(t, after, s2, true)
		o.live(time.Minute, 50*time.Millisecond)
		time.Sleep(10 * time.Minute)
		fresh := o.put
		twice := 0
		for len(o.arrived) > 0 {
			if a := <-o.arrived; a.put.Before(crash) {
				if seen[a.text]++; seen[a.text] == 2 {
					twice++
				}
			} else {
				fresh--
			}
		}
		if fresh != 0 || len(seen) != put {
			t.Errorf("%d of %d arrived, and all but %d after the crash", len(seen), put, fresh)
		}
		if twice > late+8 {
			t.Errorf("%d arrived twice; %d were settled in the last moment", twice, late)
		}
		_ = o.q.Close()
		if n := l.Unaccounted(); n != 0 {
			t.Errorf("%d items unaccounted for", n)
		}
	})
}

// TestSeizeWithABacklog: a command that takes a lane gets the backlog and the live data that were there, once, and no more,
// also when nothing is put meanwhile.
func TestSeizeWithABacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
		o := newOutage(t, spooltest.NewFS(), s, true)
		o.away.Store(true)
		o.live(time.Minute, 100*time.Millisecond)
		o.away.Store(false)
		o.live(32*time.Second, 500*time.Millisecond)
		o.away.Store(true)
		o.live(10*time.Second, 100*time.Millisecond)
		seized, err := o.q.Seize(t.Context(), o.q.LaneNames())
		if err != nil {
			t.Fatal(err)
		}
		want := o.q.Status().Records
		o.live(10*time.Second, time.Second)
		got := int64(0)
		for {
			it, err := seized.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if it == nil {
				break
			}
			got++
			seized.Done(it)
		}
		if got != want || got == 0 {
			t.Errorf("%d records, want %d", got, want)
		}
		if err := seized.Release(); err != nil {
			t.Error(err)
		}
		o.away.Store(false)
		time.Sleep(5 * time.Minute)
		if left := o.q.Status().Records; left != 0 {
			t.Errorf("%d records are left", left)
		}
		_ = o.q.Close()
		if n := l.Unaccounted(); n != 0 {
			t.Errorf("%d items unaccounted for", n)
		}
	})
}
