package ledger_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

func batchOf(items int) pipeline.Batch {
	return pipeline.Batch{Signal: pipeline.Logs, Request: make([]byte, items*10), Items: items}
}

func accountOf(t *testing.T, l *ledger.Ledger, component string) pipeline.Statement {
	t.Helper()
	for _, a := range l.Read() {
		if a.Component == component && a.Signal == pipeline.Logs {
			return a
		}
	}
	t.Fatalf("no account of %s", component)
	return pipeline.Statement{}
}

func TestTheLedgerClosesAtEveryInstant(t *testing.T) {
	s, l := pipelinetest.Settings(t, pipeline.KindExporter, "x")
	answers := []error{
		nil, pipeline.Refuse(0, errors.New("later")), pipeline.Reject(0, pipeline.DropInvalid, errors.New("all bad")),
		pipeline.Reject(3, pipeline.DropTooOld, errors.New("three bad")), errors.New("plain"),
	}
	var calls atomic.Int64
	sink := s.Entrance(pipeline.Logs, pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
		n := calls.Add(1)
		err := answers[int(n)%len(answers)]
		if err == nil {
			s.Drop(pipeline.DropDuplicate, pipeline.Logs, 2, 20)
		}
		s.Delivered(pipeline.Logs, b.Items, len(b.Request))
		return err
	}))
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if gap := l.Unaccounted(); gap != 0 {
					t.Errorf("%d items unaccounted for", gap)
					return
				}
			}
		}
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				sink.Consume(t.Context(), batchOf(10))
			}
		})
	}
	wg.Wait()
	close(stop)
	watch.Wait()
	a := accountOf(t, l, "exporter/x")
	dropped := int64(0)
	for _, d := range a.Dropped {
		dropped += d.Items
	}
	if a.In.Items != 40000 || a.Out.Items+a.Refused.Items+dropped != 40000 || a.Held.Items != 0 {
		t.Errorf("in %d, out %d, refused %d, dropped %d, held %d", a.In.Items, a.Out.Items, a.Refused.Items, dropped, a.Held.Items)
	}
	if a.Dropped[pipeline.DropTooOld].Items != 800*3 || a.Dropped[pipeline.DropInvalid].Items != 8000 || a.Dropped[pipeline.DropDuplicate].Items != 1600 {
		t.Errorf("dropped: %v", a.Dropped)
	}
	if a.In.Bytes != a.Out.Bytes+a.Refused.Bytes+a.Dropped[pipeline.DropTooOld].Bytes+a.Dropped[pipeline.DropInvalid].Bytes+a.Dropped[pipeline.DropDuplicate].Bytes {
		t.Errorf("bytes do not close: %+v", a)
	}
}

// TestTheLedgerSeesLies plants the two bugs that the ledger exists for.
func TestTheLedgerSeesLies(t *testing.T) {
	t.Run("an exporter that answers nil without delivering", func(t *testing.T) {
		s, l := pipelinetest.Settings(t, pipeline.KindExporter, "x")
		s.Entrance(pipeline.Logs, pipeline.SinkFunc(func(context.Context, pipeline.Batch) error { return nil })).Consume(t.Context(), batchOf(7))
		if got := l.Unaccounted(); got != 7 {
			t.Errorf("unaccounted is %d, want 7", got)
		}
	})
	t.Run("a processor that acknowledges early", func(t *testing.T) {
		l := ledger.New()
		from := l.Account(pipeline.KindProcessor, ledger.Key{Component: "processor/liar", Signal: pipeline.Logs})
		to := l.Account(pipeline.KindProcessor, ledger.Key{Component: "processor/next", Signal: pipeline.Logs})
		to.Join(from)
		liar := from.Entrance(pipeline.SinkFunc(func(context.Context, pipeline.Batch) error { return nil }))
		liar.Consume(t.Context(), batchOf(5))
		if got := l.Unaccounted(); got != 5 {
			t.Errorf("unaccounted is %d, want 5", got)
		}
	})
	t.Run("dropping what never came", func(t *testing.T) {
		s, l := pipelinetest.Settings(t, pipeline.KindProcessor, "x")
		s.Drop(pipeline.DropFiltered, pipeline.Logs, 4, 0)
		if got := l.Unaccounted(); got == 0 {
			t.Error("a processor dropped records that it never had, and nobody noticed")
		}
	})
}

// TestReasonsExistFromTheStart: the first drop is an increase.
func TestReasonsExistFromTheStart(t *testing.T) {
	l := ledger.New()
	reg := prometheus.NewRegistry()
	reg.MustRegister(l)
	pipelinetest.SettingsOf(l, pipeline.KindReceiver, pipeline.ID{Type: "tail"}, pipeline.Logs)
	pipelinetest.SettingsOf(l, pipeline.KindExporter, pipeline.ID{Type: "store"}, pipeline.Logs)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range families {
		if f.GetName() != "sluice_component_dropped_items_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, p := range m.GetLabel() {
				labels[p.GetName()] = p.GetValue()
			}
			if m.GetCounter().GetValue() == 0 {
				got[labels["component"]+" "+labels["reason"]] = true
			}
		}
	}
	for _, want := range []string{"exporter/store too_old", "exporter/store overflow", "exporter/store rejected_undivided", "receiver/tail rotated_unread", "receiver/tail backlog_full"} {
		if !got[want] {
			t.Errorf("no series for %s in %v", want, got)
		}
	}
}
