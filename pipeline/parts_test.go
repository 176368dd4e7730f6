package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// mergedOf is a batch of parts with as many items as they are long.
func mergedOf(parts ...string) Batch {
	b := Batch{Signal: Logs}
	for _, p := range parts {
		b.Request = append(b.Request, p...)
		b.Items += len(p)
		b.Parts = append(b.Parts, Part{End: len(b.Request), Items: len(p)})
	}
	return b
}

// picky is an exporter that rejects whatever contains a word, behind its door.
func picky(l *Ledger, name, word string, calls *[]string) Sink {
	s := l.Settings(KindExporter, ID{Type: name}, Signals[:]...)
	return s.Entrance(Logs, SinkFunc(func(_ context.Context, b Batch) error {
		*calls = append(*calls, string(b.Request))
		if strings.Contains(string(b.Request), word) {
			return Reject(0, DropRejected, errors.New("never "+word))
		}
		s.Delivered(Logs, b.Items, len(b.Request))
		return nil
	}))
}

func booked(l *Ledger, component string) (out, rejected int64) {
	for _, a := range l.Read() {
		if a.Component == component && a.Signal == Logs {
			return a.Out.Items, a.Dropped[DropRejected].Items
		}
	}
	return -1, -1
}

// TestABadPartCostsOnlyItself: whoever was merged with it is delivered, and the exporter's books show what was lost in
// the end and not what was rejected on the way.
func TestABadPartCostsOnlyItself(t *testing.T) {
	l := NewLedger()
	var calls []string
	rej, never := AsRejected(picky(l, "a", "bad", &calls).Consume(t.Context(), mergedOf("one", "bad4", "three")))
	if !never || rej.Items != 4 || len(rej.Each) != 3 || rej.Each[0] != nil || rej.Each[1] == nil || rej.Each[2] != nil {
		t.Errorf("got %+v", rej)
	}
	if got := strings.Join(calls, " "); got != "onebad4three one bad4 three" {
		t.Errorf("the exporter was called with %s", got)
	}
	if out, lost := booked(l, "exporter/a"); out != 8 || lost != 4 || l.Unaccounted() != 0 {
		t.Errorf("%d out, %d rejected, %d unaccounted for", out, lost, l.Unaccounted())
	}
}

// TestABadPartInAFanOut: each branch finds its own bad parts, and no branch gets anything again for another one's.
func TestABadPartInAFanOut(t *testing.T) {
	b := mergedOf("one", "bad4", "three", "worse")
	for _, c := range []struct {
		words    [2]string
		lost     int
		each     [4]bool
		calls    [2]int
		rejected [2]int64
	}{
		{words: [2]string{"bad", "worse"}, calls: [2]int{5, 5}, rejected: [2]int64{4, 5}}, // each is taken by one
		{words: [2]string{"bad", "?"}, calls: [2]int{5, 1}, rejected: [2]int64{4, 0}},
		{words: [2]string{"bad", "bad"}, lost: 4, each: [4]bool{1: true}, calls: [2]int{5, 5}, rejected: [2]int64{4, 4}},
	} {
		l := NewLedger()
		var first, second []string
		err := fanOutTo([]Sink{picky(l, "a", c.words[0], &first), picky(l, "b", c.words[1], &second)}).Consume(t.Context(), b)
		rej, never := AsRejected(err)
		if never != (c.lost > 0) {
			t.Errorf("%q: got %v", c.words, err)
		}
		if never {
			for i, err := range rej.Each {
				if (err != nil) != c.each[i] || rej.Items != c.lost {
					t.Errorf("%q: part %d got %v, %d items are lost", c.words, i, err, rej.Items)
				}
			}
		}
		_, a := booked(l, "exporter/a")
		_, b := booked(l, "exporter/b")
		if got := [2]int{len(first), len(second)}; got != c.calls || a != c.rejected[0] || b != c.rejected[1] {
			t.Errorf("%q: %v calls, %d and %d items booked as rejected; want %v and %v", c.words, got, a, b, c.calls, c.rejected)
		}
	}
}

// TestARefusedPartMakesTheWholeComeAgain: nothing is acknowledged that a part may still lose.
func TestARefusedPartMakesTheWholeComeAgain(t *testing.T) {
	l := NewLedger()
	s := l.Settings(KindExporter, ID{Type: "a"}, Signals[:]...)
	calls := 0
	sink := s.Entrance(Logs, SinkFunc(func(_ context.Context, b Batch) error {
		if calls++; calls == 3 {
			return Refuse(0, errors.New("away"))
		}
		if calls == 1 {
			return Reject(b.Items, DropRejected, errors.New("never"))
		}
		return nil
	}))
	if _, refused := AsRefused(sink.Consume(t.Context(), mergedOf("one", "two"))); !refused {
		t.Error("want refused")
	}
	if out, lost := booked(l, "exporter/a"); out != 0 || lost != 0 || l.Unaccounted() != 0 {
		t.Errorf("%d out, %d rejected, %d unaccounted for", out, lost, l.Unaccounted())
	}
}
