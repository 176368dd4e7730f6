package pipeline

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/sluiceio/sluice/wire"
)

// TestWhoWrapsAnAnswerIsBelieved: the outermost says what became of the batch; of joined errors a refusal wins, since a
// record that comes twice is better than one that is lost.
func TestWhoWrapsAnAnswerIsBelieved(t *testing.T) {
	boom := errors.New("boom")
	never := Reject(0, DropRejected, boom)
	for name, c := range map[string]struct {
		err      error
		refused  int
		rejected int
	}{
		"refused around rejected":       {Refuse(0, never), 4, 0},
		"refused around an answer":      {Refuse(0, &Answer{Items: 4, Rejected: []Rejected{{Count: 2, Err: boom}}}), 4, 0},
		"rejected around a refusal":     {Reject(1, DropRejected, Refuse(0, boom)), 0, 1},
		"words around rejected":         {fmt.Errorf("exporter x: %w", never), 0, 4},
		"joined with what says nothing": {errors.Join(Reject(1, DropRejected, boom), boom), 4, 0},
		"joined with a refusal":         {errors.Join(never, Refuse(0, boom)), 4, 0},
		"joined rejections":             {errors.Join(never, never), 0, 4},
		"no reason":                     {&Answer{Items: 4, Refused: Ranges{{1, 3}}}, 2, 0},
		"beyond the batch":              {&Answer{Items: 4, Refused: Ranges{{3, 9}}, Refusal: Refuse(0, boom)}, 1, 0},
		"rejected beyond the batch":     {&Answer{Items: 4, Rejected: []Rejected{{Ranges: Ranges{{-2, 1}, {3, 9}}, Err: boom}}}, 0, 2},
		"nothing said":                  {Refuse(0, nil), 4, 0},
	} {
		a := Read(c.err, 4)
		if a.Refused.Len() != c.refused || a.RejectedItems() != c.rejected || a.Taken() != 4-c.refused-c.rejected || (a.Refusal != nil) != (c.refused > 0) {
			t.Errorf("%s: %+v, want %d refused and %d rejected", name, a, c.refused, c.rejected)
		}
		if _, again := AsRefused(c.err); again != (c.refused > 0) {
			t.Errorf("%s: AsRefused says %v", name, again)
		}
		if _, rejected := AsRejected(c.err); rejected != (c.refused == 0) {
			t.Errorf("%s: AsRejected says %v", name, rejected)
		}
		_ = c.err.Error()
	}
}

// TestMapsThatLie lose nothing: what cannot be told whose it is comes again.
func TestMapsThatLie(t *testing.T) {
	all := SinkFunc(func(_ context.Context, b Batch) error { return Refuse(0, errors.New("away")) })
	part := SinkFunc(func(_ context.Context, b Batch) error {
		return &Answer{Items: b.Items, Refused: Ranges{{0, 1}}, Refusal: Refuse(0, errors.New("busy"))}
	})
	for name, c := range map[string]struct {
		next Sink
		m    ItemMap
		want string
	}{
		"of an edit that removed nothing":     {part, MapOf(nil, 10), "[{0 1}]"},
		"of an edit that removed the first":   {part, MapOf(wire.Kept{{Old: 2, New: 0, Count: 8}}, 10), "[{2 3}]"},
		"shorter than the batch, all refused": {all, ItemMap{{0, 5}}, "[{0 10}]"},
		"shorter than the batch, one refused": {part, ItemMap{{3, 5}}, "[{3 4}]"},
		"empty":                               {part, ItemMap{}, "[{0 10}]"},
		"beyond the end":                      {part, ItemMap{{8, 4}}, "[{0 10}]"},
		"before the start":                    {part, ItemMap{{-1, 4}}, "[{0 10}]"},
	} {
		b := Batch{Signal: Logs, Items: 8}
		a := Read(HandOn(t.Context(), c.next, b, 10, c.m), 10)
		if got := fmt.Sprint(a.Refused); got != c.want {
			t.Errorf("%s: refused %s, want %s", name, got, c.want)
		}
	}
}
