package queue

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool/spooltest"
)

// logsOf is a request with a log for each text.
func logsOf(t *testing.T, texts ...string) pipeline.Batch {
	t.Helper()
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, text := range texts {
		records.AppendEmpty().Body().SetStr(text)
	}
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(logs)
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{Signal: pipeline.Logs, Request: b, Items: len(texts)}
}

func bodiesOf(t *testing.T, b pipeline.Batch) (texts []string) {
	t.Helper()
	logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(b.Request)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range logs.ResourceLogs().All() {
		for _, s := range r.ScopeLogs().All() {
			for _, l := range s.LogRecords().All() {
				texts = append(texts, l.Body().Str())
			}
		}
	}
	return texts
}

func batching(t *testing.T, b Batching) *Queue {
	q := open(t, spooltest.NewFS())
	q.o.Batching = b
	return q
}

// TestBatchWaits: callers are answered together, when their record is durable: at its size, or after the timeout.
func TestBatchWaits(t *testing.T) {
	for name, c := range map[string]struct {
		callers int
		after   time.Duration
		records int64
	}{
		"a lone caller":         {1, 200 * time.Millisecond, 1},
		"not enough":            {7, 200 * time.Millisecond, 1},
		"enough":                {8, 0, 1},
		"enough, and some more": {19, 200 * time.Millisecond, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := batching(t, Batching{Timeout: 200 * time.Millisecond, Min: 8, Max: 8})
				begin := time.Now()
				var callers sync.WaitGroup
				var mu sync.Mutex
				var last time.Duration
				for i := range c.callers {
					callers.Go(func() {
						if err := q.Put(t.Context(), batchOf(fmt.Sprintf("<%d>", i))); err != nil {
							t.Error(err)
						}
						mu.Lock()
						defer mu.Unlock()
						last = max(last, time.Since(begin))
					})
				}
				callers.Wait()
				if s := q.Status(); s.Records != c.records || s.Items != int64(c.callers) || last != c.after {
					t.Errorf("%d records with %d items, after %s; want %d, %d, %s", s.Records, s.Items, last, c.records, c.callers, c.after)
				}
				_ = q.Close()
			})
		})
	}
}

// TestBatchIsAnsweredAfterItsFsync: who joined a record is answered with what became of it.
func TestBatchIsAnsweredAfterItsFsync(t *testing.T) {
	fs := spooltest.NewFS()
	q := open(t, fs)
	q.o.Batching = Batching{Timeout: 20 * time.Millisecond, Min: 1000}
	fs.Hook = func(op spooltest.Op) error {
		if op.Kind == "sync" && strings.HasSuffix(op.Name, ".seg") {
			return fmt.Errorf("no")
		}
		return nil
	}
	var callers sync.WaitGroup
	for i := range 5 {
		callers.Go(func() {
			if _, refused := pipeline.AsRefused(q.Put(t.Context(), batchOf(fmt.Sprintf("<%d>", i)))); !refused {
				t.Error("answered, and not stored")
			}
		})
	}
	callers.Wait()
	if s := q.Status(); s.Items != 0 {
		t.Errorf("%d items stored", s.Items)
	}
	_ = q.Close()
}

// TestBatchEndsWithItsWriter: the deadline of the caller that writes, and the end of the queue, end the gathering.
func TestBatchEndsWithItsWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := batching(t, Batching{Timeout: time.Hour, Min: 1000})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := q.Put(ctx, batchOf("<0>")); err != nil || time.Since(begin) != time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		waits := make(chan error)
		go func() { waits <- q.Put(t.Context(), batchOf("<1>")) }()
		synctest.Wait()
		_ = q.Close()
		// The writer may be quicker than the end: then it is stored.
		_, refused := pipeline.AsRefused(<-waits)
		again := open(t, q.o.FS.(*spooltest.FS))
		if n := again.Status().Items; refused != (n == 1) || !refused && n != 2 {
			t.Errorf("refused: %v; %d items are stored, the first one included", refused, n)
		}
		_ = again.Close()
	})
}

// TestBatchIsCut: a batch over the maximum becomes several records, and all of its items are there, in order.
func TestBatchIsCut(t *testing.T) {
	for name, b := range map[string]Batching{
		"items": {Timeout: 20 * time.Millisecond, Min: 10, Max: 10},
		"bytes": {Timeout: 20 * time.Millisecond, Min: 300, Max: 300, Bytes: true},
	} {
		t.Run(name, func(t *testing.T) {
			q := batching(t, b)
			var texts []string
			for i := range 35 {
				texts = append(texts, fmt.Sprintf("line %d %s", i, strings.Repeat("x", i*3)))
			}
			batch := logsOf(t, texts...)
			if err := q.Put(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			got, items := []string{}, 0
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			for items < len(texts) {
				it, err := q.Take(ctx)
				if err != nil {
					t.Fatal(err)
				}
				p, err := it.Batch()
				if err != nil {
					t.Fatal(err)
				}
				if n := q.o.Batching.size(p.Items, len(p.Request)); n > b.Max && p.Items > 1 {
					t.Errorf("a record of %d", n)
				}
				got = append(got, bodiesOf(t, p)...)
				items += p.Items
				it.Settle()
			}
			if fmt.Sprint(got) != fmt.Sprint(texts) {
				t.Errorf("got %q", got)
			}
			_ = q.Close()
		})
	}
}

// TestBehindARefusedPiece: what is behind a piece that cannot be stored is refused with it, and not stored.
func TestBehindARefusedPiece(t *testing.T) {
	fs := spooltest.NewFS()
	writes := 0
	var failing atomic.Bool
	fs.Hook = func(op spooltest.Op) error {
		if failing.Load() && op.Kind == "sync" && strings.HasSuffix(op.Name, ".seg") {
			if writes++; writes == 5 {
				return syscall.ENOSPC
			}
		}
		return nil
	}
	q := open(t, fs)
	q.o.Batching = Batching{Timeout: time.Millisecond, Min: 2, Max: 2}
	var texts []string
	for i := range 10 {
		texts = append(texts, fmt.Sprint("line ", i))
	}
	failing.Store(true)
	a := pipeline.Read(q.Put(t.Context(), logsOf(t, texts...)), len(texts))
	failing.Store(false)
	if len(a.Refused) != 1 || a.Refused[0].To != len(texts) || a.Refused[0].From == 0 {
		t.Fatalf("refused %v", a.Refused)
	}
	if n := q.Status().Items; n != int64(a.Refused[0].From) {
		t.Errorf("%d items are stored, %d were answered", n, a.Refused[0].From)
	}
	_ = q.Close()
}

// TestUntilFull: the time is told from the rate of the last minute, and not while the queue shrinks.
func TestUntilFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, spooltest.NewFS())
		q.o.Sizer, q.o.Size = "items", 1000
		if got := q.Status().UntilFull; got >= 0 {
			t.Errorf("an empty queue is full in %s", got)
		}
		for range 300 {
			if err := q.Put(t.Context(), batchOf("x")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if got := q.Status().UntilFull; got < 680*time.Second || got > 740*time.Second {
			t.Errorf("700 items at one a second: full in %s", got)
		}
		for range 200 {
			it, err := q.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			it.Settle()
			time.Sleep(time.Second)
		}
		if got := q.Status().UntilFull; got >= 0 {
			t.Errorf("a queue that shrinks is full in %s", got)
		}
		q.o.Size = 50
		if got := q.Status().UntilFull; got != 0 {
			t.Errorf("a full queue is full in %s", got)
		}
		_ = q.Close()
	})
}
