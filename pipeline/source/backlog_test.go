package source

import (
	"bytes"
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
	"github.com/sluiceio/sluice/wire"
)

// put hands a copy of a batch over.
func put(h *Backlog, b pipeline.Batch) {
	h.Put(b.Items, len(b.Request), func(dst []byte) []byte { return append(dst, b.Request...) })
}

// TestBacklogBuffersAreNotMixedUp: copies come from a pool, batches are refused, dropped and delivered, and each
// that arrives has its own bytes until it is answered, although its source's buffer changes at once.
func TestBacklogBuffersAreNotMixedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(pipeline.KindReceiver)
		calls, arrived := 0, 0
		h := NewBacklog(s, s.Entrance(pipeline.Logs, pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
			calls++
			want := bytes.Repeat([]byte{byte(b.Items)}, 40)
			if !bytes.Equal(b.Request, want) {
				t.Errorf("batch %d arrived as % x", b.Items, b.Request)
			}
			time.Sleep(time.Millisecond)
			if !bytes.Equal(b.Request, want) {
				t.Errorf("batch %d changed while it was out", b.Items)
			}
			if calls%3 == 0 {
				return pipeline.Refuse(0, errors.New("busy"))
			}
			arrived++
			return nil
		})), pipeline.Logs, 400)
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		source := make(wire.Request, 40)
		for i := 1; i <= 200; i++ {
			for j := range source {
				source[j] = byte(i)
			}
			put(h, pipeline.Batch{Request: source, Items: i})
			if i%7 == 0 {
				time.Sleep(20 * time.Millisecond)
			}
		}
		time.Sleep(time.Minute)
		if err := h.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if arrived == 0 || l.Unaccounted() != 0 {
			t.Errorf("%d batches arrived, %d items unaccounted for", arrived, l.Unaccounted())
		}
	})
}

// TestBacklogMergesWhatComesTogether: batches of a moment go out as one; one that comes alone goes as it came.
func TestBacklogMergesWhatComesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(pipeline.KindReceiver)
		var got []string
		h := NewBacklog(s, s.Entrance(pipeline.Logs, pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
			got = append(got, fmt.Sprint(string(b.Request), b.Items))
			time.Sleep(time.Second)
			return nil
		})), pipeline.Logs, 1<<10) // 128 bytes are merged
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		say := func(text string) { put(h, pipeline.Batch{Request: wire.Request(text), Items: len(text)}) }
		say("a")
		time.Sleep(backlogLinger / 2)
		say("bc")
		time.Sleep(backlogLinger)
		say("alone")
		time.Sleep(5 * time.Second)
		say(strings.Repeat("x", 100)) // with the next it would be too much
		say(strings.Repeat("y", 100))
		if err := h.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		want := []string{"abc3", "alone5", strings.Repeat("x", 100) + "100", strings.Repeat("y", 100) + "100"}
		if strings.Join(got, "|") != strings.Join(want, "|") || l.Unaccounted() != 0 {
			t.Errorf("got %q, %d unaccounted for", got, l.Unaccounted())
		}
	})
}

// TestBacklogRepeatsOnlyTheRefusedItems: what was taken or rejected of a merged batch is booked and does not go out
// again.
func TestBacklogRepeatsOnlyTheRefusedItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(pipeline.KindReceiver)
		var got []string
		h := NewBacklog(s, s.Entrance(pipeline.Logs, pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
			got = append(got, strings.Join(lines(b.Request), " "))
			if len(got) > 1 {
				return nil
			}
			g := pipeline.NewGather(b.Items)
			g.Refuse(pipeline.Ranges{{From: 0, To: 1}, {From: 3, To: 4}}, pipeline.Refuse(0, errors.New("later")))
			g.Reject(pipeline.Rejected{Ranges: pipeline.Ranges{{From: 1, To: 2}}, Reason: pipeline.DropTooOld, Err: errors.New("old")})
			return g.Err()
		})), pipeline.Logs, 1<<12)
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"a", "b", "c", "d"} {
			put(h, pipeline.Batch{Request: logOf(text), Items: 1})
		}
		time.Sleep(time.Minute)
		if err := h.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if strings.Join(got, ", ") != "a b c d, a d" {
			t.Errorf("sent %q", got)
		}
		a := accountOf(t, l, "receiver/x")
		if a.Out.Items != 3 || a.Dropped[pipeline.DropTooOld].Items != 1 || a.Held != (pipeline.Amount{}) || l.Unaccounted() != 0 {
			t.Errorf("the books say %+v", a)
		}
	})
}

// logOf is a request of one log record with the body.
func logOf(body string) wire.Request {
	b, res := wire.BeginMessage(nil, wire.FieldRequestResource)
	b, scope := wire.BeginMessage(b, wire.FieldResourceXScope)
	b, rec := wire.BeginMessage(b, wire.FieldScopeXItem)
	b, value := wire.BeginMessage(b, wire.FieldLogBody)
	b = wire.AppendString(b, wire.FieldValueString, body)
	for _, mark := range []int{value, rec, scope, res} {
		b = wire.EndMessage(b, mark)
	}
	return b
}

// lines are the bodies of a request's records.
func lines(r wire.Request) (out []string) {
	for res := r.Resources(); res.Next(); {
		for sc := res.Scopes(); sc.Next(); {
			for it := sc.Items(); it.Next(); {
				l := wire.ParseLog(it.Bytes())
				out = append(out, string(l.Body.Str()))
			}
		}
	}
	return out
}

// TestAReloadTakesTheBacklogAlong: what the destination refuses is not waited for, nor dropped, but delivered by the next
// graph; and counted as lost when the next graph has no such receiver.
func TestAReloadTakesTheBacklogAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(pipeline.KindReceiver)
		var away atomic.Bool
		var got atomic.Int64
		away.Store(true)
		sink := s.Entrance(pipeline.Logs, pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
			if away.Load() {
				return pipeline.Refuse(0, errors.New("away"))
			}
			got.Add(int64(b.Items))
			return nil
		}))
		run := func() *Backlog {
			h := NewBacklog(s, sink, pipeline.Logs, 1<<20)
			if err := h.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			return h
		}
		first := run()
		for range 5 {
			put(first, pipeline.Batch{Request: make(wire.Request, 100), Items: 10})
			time.Sleep(time.Second)
		}
		s.Estates.Open()
		begin := time.Now()
		if err := first.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("the reload waited %s for a destination that is away", took)
		}
		second := run()
		s.Estates.Close()
		away.Store(false)
		time.Sleep(time.Minute)
		if got.Load() != 50 {
			t.Errorf("%d items arrived of 50", got.Load())
		}
		away.Store(true)
		put(second, pipeline.Batch{Request: make(wire.Request, 100), Items: 7})
		time.Sleep(time.Second)
		s.Estates.Open()
		if err := second.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Estates.Close() // without a successor
		if n := l.Unaccounted(); n != 0 {
			t.Errorf("%d items unaccounted for", n)
		}
		dropped := int64(0)
		for _, a := range l.Read() {
			dropped += a.Dropped[pipeline.DropShutdown].Items
			if a.Held.Items != 0 {
				t.Errorf("%s holds %d items", a.Component, a.Held.Items)
			}
		}
		if dropped != 7 {
			t.Errorf("%d items dropped as shutdown_timeout, want 7", dropped)
		}
	})
}

// TestBacklogGathersASlot: batches that come one by one leave together, a slot after the first, and at once when they are
// full or nothing more comes.
func TestBacklogGathersASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(pipeline.KindReceiver)
		begin := time.Now()
		var mu sync.Mutex
		var at []time.Duration
		var items []int
		h := NewBacklog(s, s.Entrance(pipeline.Logs, pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
			mu.Lock()
			defer mu.Unlock()
			at, items = append(at, time.Since(begin)), append(items, b.Items)
			return nil
		})), pipeline.Logs, 800) // 100 bytes are merged
		h.Gather(time.Second)
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		say := func(n int) { put(h, pipeline.Batch{Request: make(wire.Request, n), Items: n}) }
		for range 20 { // one each 150 ms, as of a hundred targets in 15 s
			say(5)
			time.Sleep(150 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		mu.Lock()
		if fmt.Sprint(at) != "[1s 2.05s 3.1s]" || fmt.Sprint(items) != "[35 35 30]" {
			t.Errorf("%v at %v", items, at)
		}
		begin, at, items = time.Now(), nil, nil
		mu.Unlock()
		say(60)
		say(60) // does not fit: the first leaves
		time.Sleep(100 * time.Millisecond)
		mu.Lock()
		if fmt.Sprint(items) != "[60]" {
			t.Errorf("a full batch waits: %v", items)
		}
		mu.Unlock()
		time.Sleep(100 * time.Millisecond)
		if err := h.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if fmt.Sprint(items, at) != "[60 60] [0s 200ms]" || l.Unaccounted() != 0 {
			t.Errorf("%v at %v, %d unaccounted for", items, at, l.Unaccounted())
		}
	})
}
