package logs

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/logstest"
)

// TestVisible: a query that follows an append sees its rows at once, and one right after another append within a
// second and a half.
func TestVisible(t *testing.T) {
	s := open(t, Options{})
	api := answers(t, s)
	for i := 1; i <= 2; i++ {
		put(t, s, logstest.Lines(t, "svc", time.Now(), "x"))
		want := `"` + strconv.Itoa(i) + `"]`
		for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
			_, body := logstest.Get(t.Context(), api, "query", "query", `sum(count_over_time({service_name="svc"}[1h]))`)
			if strings.Contains(body, want) {
				break
			}
			if i == 1 || time.Since(start) > 5*time.Second {
				t.Fatalf("after %v: %s", time.Since(start), body)
			}
		}
	}
}

// TestBegin: what is read ends when its caller goes, when its time is over, and when the store closes.
func TestBegin(t *testing.T) {
	s := open(t, Options{})
	put(t, s, logstest.Lines(t, "svc", time.Now(), "x"))
	for begin := time.Now(); len(rowsOf(t, s, "*")) == 0; { // without a row the query below has nothing to wait in
		if time.Since(begin) > 10*time.Second {
			t.Fatal("the row does not show up")
		}
	}
	read := func(ctx context.Context) error {
		ctx, end, err := s.Begin(ctx)
		if err != nil {
			return err
		}
		defer end()
		return s.engine.Blocks(ctx, engine.Query{Text: "*", To: time.Now().UnixNano()}, func(int, *logstorage.DataBlock) error {
			<-ctx.Done()
			return nil
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("caller gone: %v", err)
	}
	s.options.QueryTimeout = 50 * time.Millisecond
	if err := read(t.Context()); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "took too long") {
		t.Errorf("time over: %v", err)
	}
	s.options.QueryTimeout = time.Minute
	time.AfterFunc(50*time.Millisecond, func() { _ = s.Close() })
	if err := read(t.Context()); !errors.Is(err, fs.ErrClosed) || !strings.Contains(err.Error(), "closed") {
		t.Errorf("store closed: %v", err)
	}
	if err := read(t.Context()); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a closed store answers %v", err)
	}
}

// TestWaitForSlot: queries over the limit wait, and leave with their caller.
func TestWaitForSlot(t *testing.T) {
	s := open(t, Options{MaxQueries: 1})
	_, end, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, _, err := s.Begin(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a slot: %v", err)
	}
	end()
	if _, end, err = s.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	end()
}

// TestTogether runs appends, queries of every kind, checkpoints and removals at once and then closes.
func TestTogether(t *testing.T) {
	s := open(t, Options{CheckpointBytes: 64 << 10})
	api := answers(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	var appended sync.Map
	for w := range 2 {
		wg.Go(func() {
			n := 0
			for ctx.Err() == nil {
				put(t, s, logstest.Lines(t, "svc"+strconv.Itoa(w), time.Now(), strings.Repeat("x", 200), "y"))
				err := s.Append(t.Context(), logstest.Lines(t, "old", time.Now().Add(-48*time.Hour), "z"))
				if err := pipelinetest.Final(err); err != nil { // its day may be gone
					t.Error(err)
				}
				n += 2
			}
			appended.Store(w, n)
		})
	}
	for _, q := range [][]string{
		{"query_range", "query", `{service_name=~"svc.*"} |= "x"`}, {"query", "query", `sum(rate({service_name=~".+"}[1m]))`},
		{"labels"}, {"series"}, {"index/volume", "query", `{}`}, {"detected_fields", "query", `{service_name="svc0"}`},
	} {
		wg.Go(func() {
			for ctx.Err() == nil {
				if code, body := logstest.Get(t.Context(), api, q[0], q[1:]...); code != http.StatusOK {
					t.Errorf("%v: %d %s", q, code, body)
				}
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := s.DropOldest(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			_, _ = s.Oldest()
			_ = s.DiskBytes()
			time.Sleep(20 * time.Millisecond)
		}
	})
	wg.Wait()
	want := 0
	appended.Range(func(_, n any) bool {
		want += n.(int)
		return true
	})
	if n := len(rowsOf(t, s, `{service_name=~"svc.*"}`)); n != want || want == 0 {
		t.Errorf("%d rows of %d", n, want)
	}
}
