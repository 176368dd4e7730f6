package status

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// fixed is a ledger that says what a test writes into it.
type fixed struct {
	mu  sync.Mutex
	all []pipeline.Statement
}

func (f *fixed) Read() []pipeline.Statement {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

func (f *fixed) Unaccounted() int64 { return 0 }

func (f *fixed) change(i int, to func(*pipeline.Statement)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	to(&f.all[i])
}

var of = &pipeline.Config{Pipelines: []pipeline.PipelineConfig{{
	ID: pipeline.ID{Type: "logs"}, Signal: pipeline.Logs, Receivers: []pipeline.ID{{Type: "otlp"}}, Exporters: []pipeline.ID{{Type: "otlp_http"}},
}}}

func account(kind pipeline.Kind, name string, items int64) pipeline.Statement {
	all := pipeline.Amount{Items: items}
	return pipeline.Statement{Component: string(kind) + "/" + name, Kind: kind, Signal: pipeline.Logs, In: all, Out: all, Delivered: all, Dropped: map[pipeline.Reason]pipeline.Amount{}}
}

// TestRatesAndHours: rates are of the last 10 s, losses of the last hour.
func TestRatesAndHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fixed{all: []pipeline.Statement{account(pipeline.KindExporter, "otlp_http", 0), account(pipeline.KindReceiver, "otlp", 0), account(pipeline.KindExporter, "gone", 5)}}
		b := NewBoard(l)
		ctx, end := context.WithCancel(t.Context())
		defer end()
		go b.Run(ctx)
		edge := func() Edge {
			t.Helper()
			synctest.Wait()
			e := b.Edges(of, nil)
			if len(e) != 2 || e[0].Component != "receiver/otlp" || e[1].Component != "exporter/otlp_http" {
				t.Fatalf("edges %+v", e)
			}
			return e[1]
		}
		begin := time.Now()
		for range 20 {
			time.Sleep(time.Second)
			l.change(0, func(s *pipeline.Statement) { s.In.Items, s.Delivered.Items = s.In.Items+100, s.Delivered.Items+50 })
		}
		l.change(0, func(s *pipeline.Statement) {
			s.Dropped = map[pipeline.Reason]pipeline.Amount{pipeline.DropTooOld: {Items: 7}, pipeline.DropInvalid: {Items: 1}}
		})
		if e := edge(); e.In < 90 || e.In > 110 || e.Out < 45 || e.Out > 55 || e.Dropped != 8 || e.first() != pipeline.DropTooOld {
			t.Errorf("at %s: %+v", time.Since(begin), e)
		}
		time.Sleep(30 * time.Minute)
		if e := edge(); e.In != 0 || e.Dropped != 8 {
			t.Errorf("after half an hour: %+v", e)
		}
		time.Sleep(45 * time.Minute)
		if e := edge(); e.Dropped != 0 {
			t.Errorf("after more than an hour: %+v", e)
		}
	})
}

func TestStates(t *testing.T) {
	l := &fixed{all: []pipeline.Statement{account(pipeline.KindExporter, "otlp_http", 0), account(pipeline.KindReceiver, "otlp", 0)}}
	b := NewBoard(l)
	now := time.Now()
	l.change(0, func(s *pipeline.Statement) { s.Stored.Items = 3 })
	full := &pipeline.QueueReport{Full: true, Oldest: now.Add(-time.Hour)}
	for i, c := range []struct {
		report pipeline.Report
		want   string
	}{
		{pipeline.Report{}, OK},
		{pipeline.Report{Since: now, Trouble: errors.New("503\nbusy"), At: now}, Retrying},
		{pipeline.Report{Since: now.Add(-2 * time.Minute)}, Blocked},
		{pipeline.Report{Queue: full}, Blocked},
		{pipeline.Report{Queue: &pipeline.QueueReport{Stalled: true, Oldest: now.Add(-time.Hour), UntilFull: 90 * time.Second}}, Blocked},
	} {
		e := b.Edges(of, map[string]pipeline.Report{"exporter/otlp_http": c.report})[1]
		if e.State != c.want || (c.report.Queue != nil) != (e.Oldest > 3000) {
			t.Errorf("%d: %+v, want %s", i, e, c.want)
		}
		if stalled := c.report.Queue != nil && c.report.Queue.Stalled; e.Stalled != stalled || stalled && (*e.UntilFull != 90 || e.fullIn() != "1m30s") {
			t.Errorf("%d: %+v", i, e)
		}
	}
	l.change(1, func(s *pipeline.Statement) { s.Refused.Items = 5 })
	if e := b.Edges(of, nil)[0]; e.State != Blocked || e.Refused != 5 {
		t.Errorf("who refuses all: %+v", e)
	}
}

func TestHandler(t *testing.T) {
	h := Handler(func() Status {
		return Status{State: "ready", Version: "1", Orphans: 1, Edges: []Edge{{Component: "exporter/otlp_http", Signal: "logs", State: Retrying, In: 1.5, Error: "503\nbusy", ErrorAge: 3,
			Dropped: 2, Reasons: map[pipeline.Reason]int64{pipeline.DropTooOld: 2}}}}
	})
	r := httptest.NewRequest("GET", "/status", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var s Status
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil || s.Edges[0].Error != "503\nbusy" {
		t.Errorf("%v: %s", err, w.Body)
	}
	r.Header.Set("Accept", "text/plain")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	text := w.Body.String()
	if strings.Count(text, "\n") != 3 || !strings.Contains(text, "2 (too_old)") || !strings.Contains(text, "3s ago: 503 busy") || !strings.Contains(text, "1 queues") {
		t.Error(text)
	}
}
