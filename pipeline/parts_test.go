package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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
			return &Rejected{Divide: true, Reason: DropRejected, Err: errors.New("never " + word)}
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
	for _, c := range []struct{ parts, fates, calls string }{
		{"one bad4 three", ".x.", "onebad4three one bad4three bad4 three"},
		{"bad1 two", "x.", "bad1two bad1 two"},
		{"a b c bad d e f g", "...x....", "abcbaddefg abcbad ab cbad c bad defg"},
		{"bad1 bad2", "xx", "bad1bad2 bad1 bad2"},
	} {
		l := NewLedger()
		var calls []string
		b := mergedOf(strings.Fields(c.parts)...)
		err := picky(l, "a", "bad", &calls).Consume(t.Context(), b)
		each, ok := AsApart(err, b)
		fates, bad := "", int64(0)
		for i, err := range each {
			if err == nil {
				fates += "."
				continue
			}
			fates += "x"
			bad += int64(b.Parts[i].Items)
		}
		if !ok || fates != c.fates {
			t.Errorf("%s: %v", c.parts, err)
		}
		if rej, never := AsRejected(err); !never || int64(rej.Items) != bad {
			t.Errorf("%s: as a whole it is %+v, want %d items rejected", c.parts, rej, bad)
		}
		if got := strings.Join(calls, " "); got != c.calls {
			t.Errorf("%s: the exporter was called with %s", c.parts, got)
		}
		if out, lost := booked(l, "exporter/a"); out != int64(b.Items)-bad || lost != bad || l.Unaccounted() != 0 {
			t.Errorf("%s: %d out, %d rejected, %d unaccounted for", c.parts, out, lost, l.Unaccounted())
		}
	}
}

// TestABadPartInAFanOut: each branch finds its own bad parts, no branch gets anything again for another one's, and a
// part is rejected only when every branch rejects it.
func TestABadPartInAFanOut(t *testing.T) {
	b := mergedOf("one", "bad4", "three", "worse")
	for _, c := range []struct {
		words    [2]string
		lost     string
		calls    [2]int
		rejected [2]int64
	}{
		{words: [2]string{"bad", "worse"}, calls: [2]int{5, 5}, rejected: [2]int64{4, 5}},
		{words: [2]string{"bad", "?"}, calls: [2]int{5, 1}, rejected: [2]int64{4, 0}},
		{words: [2]string{"bad", "bad"}, lost: "bad4", calls: [2]int{5, 5}, rejected: [2]int64{4, 4}},
	} {
		l := NewLedger()
		var first, second []string
		err := fanOutTo([]Sink{picky(l, "a", c.words[0], &first), picky(l, "b", c.words[1], &second)}).Consume(t.Context(), b)
		lost := ""
		if each, ok := AsApart(err, b); ok {
			for i, err := range each {
				if _, never := AsRejected(err); never {
					lost += string(b.Range(i, i+1).Request)
				}
			}
		}
		if lost != c.lost || (err == nil) != (c.lost == "") {
			t.Errorf("%q: %q is lost, %v", c.words, lost, err)
		}
		_, a := booked(l, "exporter/a")
		_, b := booked(l, "exporter/b")
		if got := [2]int{len(first), len(second)}; got != c.calls || a != c.rejected[0] || b != c.rejected[1] {
			t.Errorf("%q: %v calls, %d and %d items booked as rejected; want %v and %v", c.words, got, a, b, c.calls, c.rejected)
		}
	}
}

// TestARefusedPartIsRepeatedAlone: a destination that rejects the whole and then has no room brings nothing twice, and
// when the callers' time ends each part has its own answer.
func TestARefusedPartIsRepeatedAlone(t *testing.T) {
	for _, patience := range []time.Duration{time.Hour, 10 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			l := NewLedger()
			s := l.Settings(KindExporter, ID{Type: "a"}, Signals[:]...)
			begin, taken := time.Now(), map[string]int{}
			sink := s.Entrance(Logs, SinkFunc(func(_ context.Context, b Batch) error {
				body := string(b.Request)
				switch {
				case strings.Contains(body, "bad"):
					return &Rejected{Divide: true, Reason: DropRejected, Err: errors.New("never")}
				case strings.Contains(body, "late") && time.Since(begin) < time.Minute:
					return &Refused{Err: errors.New("busy"), Overload: true}
				}
				taken[body]++
				s.Delivered(Logs, b.Items, len(b.Request))
				return nil
			}))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			b := mergedOf("one", "bad4", "three", "late")
			each, _ := AsApart(sink.Consume(ctx, b), b)
			if len(each) != 4 || each[0] != nil || each[1] == nil {
				t.Fatalf("the answers are %v", each)
			}
			_, refused := AsRefused(each[3])
			if refused != (patience < time.Minute) || refused && taken["threelate"] > 0 {
				t.Errorf("patience %s: the late one got %v", patience, each[3])
			}
			for body, n := range taken {
				if n != 1 {
					t.Errorf("%s was delivered %d times", body, n)
				}
			}
			if l.Unaccounted() != 0 {
				t.Errorf("%d unaccounted for", l.Unaccounted())
			}
		})
	}
}

// TestAPartialSuccessOfAHalf is counted, and nobody is told that it was his.
func TestAPartialSuccessOfAHalf(t *testing.T) {
	l := NewLedger()
	s := l.Settings(KindExporter, ID{Type: "a"}, Signals[:]...)
	sink := s.Entrance(Logs, SinkFunc(func(_ context.Context, b Batch) error {
		body := string(b.Request)
		if strings.Contains(body, "bad") {
			return &Rejected{Divide: true, Reason: DropRejected, Err: errors.New("never")}
		}
		if body == "threefour" {
			s.Delivered(Logs, b.Items-2, len(b.Request))
			return Reject(2, DropTooOld, errors.New("two are old"))
		}
		s.Delivered(Logs, b.Items, len(b.Request))
		return nil
	}))
	b := mergedOf("one", "bad", "three", "four")
	each, _ := AsApart(sink.Consume(t.Context(), b), b)
	if len(each) != 4 || each[0] != nil || each[1] == nil || each[2] != nil || each[3] != nil {
		t.Errorf("the answers are %v", each)
	}
	a := accountOf(t, l, "exporter/a")
	if a.Out.Items != 10 || a.Dropped[DropRejected].Items != 3 || a.Dropped[DropTooOld].Items != 2 || l.Unaccounted() != 0 {
		t.Errorf("the books say %+v, %d unaccounted for", a, l.Unaccounted())
	}
}

// TestAFanOutLeavesADividedBatchAlone: what an exporter took of it does not come again because a part was refused, and
// a part that is wholly turned down in a partial success is rejected, not lost.
func TestAFanOutLeavesADividedBatchAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLedger()
		branch := func(name string, taken map[string]int) Sink {
			s := l.Settings(KindExporter, ID{Type: name}, Signals[:]...)
			return s.Entrance(Logs, SinkFunc(func(_ context.Context, b Batch) error {
				switch body := string(b.Request); {
				case strings.Contains(body, "bad"):
					return &Rejected{Divide: true, Reason: DropRejected, Err: errors.New("never")}
				case strings.Contains(body, "late"):
					return Refuse(time.Millisecond, errors.New("busy"))
				case strings.Contains(body, "old"):
					return Reject(b.Items, DropTooOld, errors.New("all of them are old"))
				default:
					taken[body]++
					s.Delivered(Logs, b.Items, len(b.Request))
					return nil
				}
			}))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		b := mergedOf("one", "bad4", "late", "three", "old", "old2", "five", "six")
		first, second := map[string]int{}, map[string]int{}
		each, ok := AsApart(fanOutTo([]Sink{branch("a", first), branch("b", second)}).Consume(ctx, b), b)
		if !ok {
			t.Fatal("the parts have no answers")
		}
		if _, refused := AsRefused(each[2]); !refused {
			t.Errorf("the late one got %v", each[2])
		}
		for _, i := range []int{1, 4, 5} {
			if _, never := AsRejected(each[i]); !never && each[i] == nil {
				t.Errorf("part %d got nil", i)
			}
		}
		for _, taken := range []map[string]int{first, second} {
			for body, n := range taken {
				if n != 1 {
					t.Errorf("%s was delivered %d times", body, n)
				}
			}
			if len(taken) == 0 {
				t.Error("nothing was taken")
			}
		}
		if l.Unaccounted() != 0 {
			t.Errorf("%d unaccounted for", l.Unaccounted())
		}
	})
}
