package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/wire"
)

// put hands a copy of a batch over.
func put(h *Handover, b Batch) {
	h.Put(b.Items, len(b.Request), func(dst []byte) []byte { return append(dst, b.Request...) })
}

// TestHandoverBuffersAreNotMixedUp: copies come from a pool, batches are refused, dropped and delivered, and each
// that arrives has its own bytes until it is answered, although its source's buffer changes at once.
func TestHandoverBuffersAreNotMixedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(KindReceiver)
		calls, arrived := 0, 0
		h := NewHandover(s, s.Entrance(Logs, SinkFunc(func(_ context.Context, b Batch) error {
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
				return Refuse(0, errors.New("busy"))
			}
			arrived++
			return nil
		})), Logs, 400)
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		source := make(wire.Request, 40)
		for i := 1; i <= 200; i++ {
			for j := range source {
				source[j] = byte(i)
			}
			put(h, Batch{Request: source, Items: i})
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

// TestHandoverMergesWhatComesTogether: batches of a moment go out as one, which says what its parts are; one that
// comes alone goes as it came.
func TestHandoverMergesWhatComesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(KindReceiver)
		var got []string
		h := NewHandover(s, s.Entrance(Logs, SinkFunc(func(_ context.Context, b Batch) error {
			got = append(got, fmt.Sprint(string(b.Request), b.Items, b.Parts))
			time.Sleep(time.Second)
			return nil
		})), Logs, 1<<10) // 128 bytes are merged
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		say := func(text string) { put(h, Batch{Request: wire.Request(text), Items: len(text)}) }
		say("a")
		time.Sleep(handoverLinger / 2)
		say("bc")
		time.Sleep(handoverLinger)
		say("alone")
		time.Sleep(5 * time.Second)
		say(strings.Repeat("x", 100)) // with the next it would be too much
		say(strings.Repeat("y", 100))
		if err := h.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		want := []string{"abc3 [{1 1} {3 2}]", "alone5 []", strings.Repeat("x", 100) + "100 []", strings.Repeat("y", 100) + "100 []"}
		if strings.Join(got, "|") != strings.Join(want, "|") || l.Unaccounted() != 0 {
			t.Errorf("got %q, %d unaccounted for", got, l.Unaccounted())
		}
	})
}

// TestHandoverRepeatsOnlyTheRefusedParts: what was taken or rejected of a merged batch is booked and does not go out
// again.
func TestHandoverRepeatsOnlyTheRefusedParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(KindReceiver)
		var got []string
		h := NewHandover(s, s.Entrance(Logs, SinkFunc(func(_ context.Context, b Batch) error {
			got = append(got, string(b.Request))
			if len(got) > 1 {
				return nil
			}
			later := Refuse(0, errors.New("later"))
			return ApartOf([]error{later, nil, Reject(3, DropTooOld, errors.New("old")), later}, b)
		})), Logs, 1<<10)
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"a", "bb", "ccc", "dddd"} {
			put(h, Batch{Request: wire.Request(text), Items: len(text)})
		}
		time.Sleep(time.Minute)
		if err := h.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if strings.Join(got, " ") != "abbcccdddd adddd" {
			t.Errorf("sent %q", got)
		}
		a := accountOf(t, l, "receiver/x")
		if a.Out.Items != 7 || a.Dropped[DropTooOld].Items != 3 || a.Held.Items != 0 || l.Unaccounted() != 0 {
			t.Errorf("the books say %+v", a)
		}
	})
}
