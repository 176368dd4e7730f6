package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// fates is what became of each item: '.' taken, 'r' refused, 'x' rejected.
func fates(a Answer) string {
	f := []byte{}
	for range a.Items {
		f = append(f, '.')
	}
	mark := func(r Ranges, c byte) {
		for _, x := range r {
			for i := x.From; i < x.To; i++ {
				if f[i] != '.' {
					c = '!' // an item in two places
				}
				f[i] = c
			}
		}
	}
	mark(a.Refused, 'r')
	for _, r := range a.Rejected {
		mark(r.Ranges, 'x')
	}
	return string(f)
}

func TestReadUnderstandsEveryError(t *testing.T) {
	busy, never := Refuse(time.Second, errors.New("busy")), Reject(0, DropTooOld, errors.New("old"))
	for _, c := range []struct {
		err       error
		fates     string
		uncounted int
	}{
		{nil, ".....", 0},
		{errors.New("plain"), "rrrrr", 0},
		{busy, "rrrrr", 0},
		{fmt.Errorf("wrapped: %w", busy), "rrrrr", 0},
		{never, "xxxxx", 0},
		{Reject(5, DropTooOld, errors.New("old")), "xxxxx", 0},
		{Reject(9, DropTooOld, errors.New("old")), "xxxxx", 0},
		{Reject(2, DropTooOld, errors.New("old")), ".....", 2},
		{&Answer{Items: 5, Refused: Ranges{{1, 2}}, Refusal: busy, Rejected: []Rejected{{Ranges: Ranges{{3, 5}}, Err: never}}}, ".r.xx", 0},
		{&Answer{Items: 7, Rejected: []Rejected{{Ranges: Ranges{{0, 1}}, Err: never}}}, "rrrrr", 0}, // for another batch
	} {
		a := Read(c.err, 5)
		n := 0
		for _, r := range a.Uncounted() {
			n += r.Count
		}
		if fates(a) != c.fates || n != c.uncounted {
			t.Errorf("%v: %s and %d of unknown place, want %s and %d", c.err, fates(a), n, c.fates, c.uncounted)
		}
		again := Read(a.Err(), 5)
		if fates(again) != c.fates || (a.Err() == nil) != (c.err == nil) {
			t.Errorf("%v: read once more %s", c.err, fates(again))
		}
	}
}

// TestABatchWithoutItemsCanBeRefused: its caller repeats it like any other.
func TestABatchWithoutItemsCanBeRefused(t *testing.T) {
	a := Read(errors.New("busy"), 0)
	if _, again := AsRefused(a.Err()); !again {
		t.Error("a refusal of nothing became a success")
	}
}

// TestRangesAgainstASetOfBits: the algebra is that of sets.
func TestRangesAgainstASetOfBits(t *testing.T) {
	const n = 40
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func() (r Ranges, set [n]bool) {
		var any []Range
		for range rnd.IntN(6) {
			from := rnd.IntN(n)
			to := min(n, from+rnd.IntN(8))
			any = append(any, Range{from, to})
			for i := from; i < to; i++ {
				set[i] = true
			}
		}
		return NewRanges(any), set
	}
	hold := func(what string, r Ranges, want func(i int) bool) {
		t.Helper()
		var got [n]bool
		last := -1
		for _, x := range r {
			if x.From <= last || x.To <= x.From {
				t.Fatalf("%s: %v is not in order", what, r)
			}
			last = x.To
			for i := x.From; i < x.To; i++ {
				got[i] = true
			}
		}
		for i := range n {
			if got[i] != want(i) {
				t.Fatalf("%s: %v at %d", what, r, i)
			}
		}
	}
	for range 5000 {
		a, as := random()
		b, bs := random()
		hold("a", a, func(i int) bool { return as[i] })
		hold("union", a.Union(b), func(i int) bool { return as[i] || bs[i] })
		hold("intersect", a.Intersect(b), func(i int) bool { return as[i] && bs[i] })
		hold("without", a.Without(b), func(i int) bool { return as[i] && !bs[i] })
	}
}

// TestHandOnTranslates: whatever a component removes, adds, moves or divides, the answer is for the items that it was
// given.
func TestHandOnTranslates(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		old := 1 + rnd.IntN(30)
		var m ItemMap
		var from []int // of each new item
		for at := 0; at < old; {
			n := min(1+rnd.IntN(5), old-at)
			if rnd.IntN(4) > 0 { // else removed
				m = append(m, Moved{at, n})
			}
			at += n
		}
		rnd.Shuffle(len(m), func(i, j int) { m[i], m[j] = m[j], m[i] })
		for _, x := range m {
			for i := range x.N {
				from = append(from, x.From+i)
			}
		}
		want := make([]byte, old)
		for i := range want {
			want[i] = '.'
		}
		g := NewGather(len(from))
		for i, o := range from {
			switch rnd.IntN(4) {
			case 0:
				g.Refuse(Ranges{{i, i + 1}}, Refuse(0, errors.New("busy")))
				want[o] = 'r'
			case 1:
				g.Reject(Rejected{Ranges: Ranges{{i, i + 1}}, Reason: DropTooOld, Err: errors.New("old")})
				want[o] = 'x'
			}
		}
		err := HandOn(t.Context(), SinkFunc(func(context.Context, Batch) error { return g.Err() }), Batch{Items: len(from)}, old, m)
		if got := fates(Read(err, old)); got != string(want) {
			t.Fatalf("%v: %s, want %s", m, got, want)
		}
	}
}

func TestHandOnWithoutAMap(t *testing.T) {
	next := func(err error) Sink { return SinkFunc(func(context.Context, Batch) error { return err }) }
	some := &Answer{Items: 4, Rejected: []Rejected{{Ranges: Ranges{{0, 2}}, Err: errors.New("old")}}}
	a := Read(HandOn(t.Context(), next(some), Batch{Items: 4}, 10, nil), 10)
	if len(a.Uncounted()) != 1 || a.RejectedItems() != 2 || a.Refusal != nil {
		t.Errorf("a rejection of two: %+v", a)
	}
	some = &Answer{Items: 4, Refused: Ranges{{0, 1}}, Refusal: Refuse(time.Second, errors.New("busy"))}
	a = Read(HandOn(t.Context(), next(some), Batch{Items: 4}, 10, nil), 10)
	if fates(a) != "rrrrrrrrrr" || a.Refusal.After != time.Second {
		t.Errorf("a refusal of one: %+v", a)
	}
}

func TestSliceIsTheAnswerOfSome(t *testing.T) {
	g := NewGather(10)
	g.Refuse(Ranges{{1, 4}}, Refuse(0, errors.New("busy")))
	g.Reject(Rejected{Ranges: Ranges{{3, 7}}, Reason: DropTooOld, Err: errors.New("old")})
	a := g.Answer()
	if fates(a) != ".rrrxxx..." {
		t.Fatalf("the whole is %s: what is refused is not rejected as well", fates(a))
	}
	for from := range 10 {
		for to := from + 1; to <= 10; to++ {
			if got, want := fates(a.Slice(from, to)), fates(a)[from:to]; got != want {
				t.Errorf("%d to %d: %s, want %s", from, to, got, want)
			}
		}
	}
	if !slices.Equal(a.Refused, Ranges{{1, 4}}) || a.Taken() != 4 {
		t.Errorf("%+v", a)
	}
}
