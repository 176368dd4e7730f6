package canary

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"context"
	"sync/atomic"

	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newReceiver(t *testing.T, sink pipeline.Sink, signals ...pipeline.Signal) (*Receiver, *ledger.Ledger) {
	t.Helper()
	s, l := pipelinetest.Settings(t, pipeline.KindReceiver, "canary")
	cfg := Default()
	cfg.Instance = "edge"
	r, err := New(s, cfg, pipeline.OutputsTo(sink, signals...))
	if err != nil {
		t.Fatal(err)
	}
	return r.(*Receiver), l
}

// numbers are those of the logs that came.
func numbers(rec *pipelinetest.Recorder) (out []int64) {
	for _, b := range rec.Batches() {
		for rs := b.Request.Resources(); rs.Next(); {
			for sc := rs.Scopes(); sc.Next(); {
				for it := sc.Items(); it.Next(); {
					l := wire.ParseLog(it.Bytes())
					v, _ := l.Attributes().Find(attributeSequence)
					out = append(out, v.Int())
				}
			}
		}
	}
	return out
}

// TestOneASecond: each number once and in order, also those that the pipeline refused for a time; and a reload goes on.
func TestOneASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		rec := &pipelinetest.Recorder{Answer: func(context.Context, pipeline.Batch) error {
			if away.Load() {
				return errors.New("away")
			}
			return nil
		}}
		r, _ := newReceiver(t, rec, pipeline.Logs)
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5500 * time.Millisecond)
		away.Store(true)
		time.Sleep(20 * time.Second)
		away.Store(false)
		time.Sleep(10 * time.Second)
		r.settings.Estates.Open()
		if err := r.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		next, _ := newReceiver(t, rec, pipeline.Logs)
		next.settings.Estates = r.settings.Estates
		if err := next.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3500 * time.Millisecond)
		if err := next.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		got := numbers(rec)
		for i, n := range got {
			if n != int64(i+1) {
				t.Fatalf("the numbers are %v", got)
			}
		}
		if len(got) != 38 {
			t.Errorf("%d numbers, want 38", len(got))
		}
	})
}

// TestRecordsAreOTLP, of every signal, as pdata reads it: wire.Check accepts only what pdata does.
func TestRecordsAreOTLP(t *testing.T) {
	for _, sig := range pipeline.Signals {
		b := record{instance: "edge", sequence: sequence{run: 5, n: 1 << 40}, at: time.Now()}.request(sig)
		req, info, err := wire.Check(sig, b, wire.Limits{})
		if err != nil || info.Items != 1 || info.RepairedStrings != 0 || len(req) != len(b) {
			t.Errorf("%s: %v, %d items", sig, err, info.Items)
		}
	}
}

func TestFaults(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	c.Interval = time.Millisecond
	if err := c.Validate(); err == nil {
		t.Error("an interval of 1ms is accepted")
	}
}
