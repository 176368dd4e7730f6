package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// groups makes payloads of bodies, each with as many items as it is long.
func (r *rig) groups(bodies ...[]string) Requests {
	return Requests{Encode: func(b pipeline.Batch) (out [][]*Payload, _ error) {
		for _, group := range bodies {
			var ps []*Payload
			for _, body := range group {
				b.Items = len(body)
				ps = append(ps, Own(b, r.pool.Copy([]byte(body))))
			}
			out = append(out, ps)
		}
		return out, nil
	}}
}

func TestPartsOfAGroupGoInOrderAndGroupsSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, func(context.Context, int, string) Outcome {
			time.Sleep(time.Second)
			return Outcome{Code: "200"}
		})
		start := time.Now()
		err := r.SendParts(t.Context(), pipeline.Batch{Signal: pipeline.Logs}, r.groups([]string{"a1", "a2", "a3"}, []string{"b1", "b2", "b3"}))
		if err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		var a, b []string
		for _, s := range r.arrived() {
			if s[0] == 'a' {
				a = append(a, s)
			} else {
				b = append(b, s)
			}
		}
		if !slices.IsSorted(a) || !slices.IsSorted(b) || len(a) != 3 || len(b) != 3 {
			t.Errorf("%v %v", a, b)
		}
	})
}

func TestPartsMakeOneAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := errors.New("never")
		for _, c := range []struct {
			bodies   []string
			rejected int
			refused  bool
		}{
			{[]string{"good"}, 0, false},
			{[]string{"bad", "good", "bad bad"}, 10, false},
			{[]string{"bad", "busy", "good"}, 0, true},
			{[]string{"", "good"}, 0, false},
			{nil, 0, false},
		} {
			off := RetryConfig{InitialInterval: time.Second, Multiplier: 1}
			r := newRig(t, Options{Retry: off}, func(_ context.Context, _ int, body string) Outcome {
				switch body {
				case "good":
					return Outcome{Code: "200"}
				case "busy":
					return Outcome{Verdict: Retry, Code: "503", Err: errBusy}
				}
				return Outcome{Verdict: Rejected, Code: "400", Reason: pipeline.DropRejected, Err: never}
			})
			err := r.SendParts(t.Context(), pipeline.Batch{Signal: pipeline.Logs}, r.groups(c.bodies))
			rej, rejected := pipeline.AsRejected(err)
			_, refused := pipeline.AsRefused(err)
			if refused != c.refused || rejected != (c.rejected > 0) || (rejected && rej.Items != c.rejected) {
				t.Errorf("%q: %v", c.bodies, err)
			}
			if c.refused && slices.Contains(r.arrived(), "good") {
				t.Error("a group goes on behind what was refused")
			}
			if r.gate.places != 1 {
				t.Errorf("%d places are free after the call", r.gate.places)
			}
		}
	})
}

// The place is free only when the last attempt has ended, also one that outlived the call.
func TestPartsHoldTheirPlaceToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, func(_ context.Context, _ int, body string) Outcome {
			if body == "slow" {
				time.Sleep(10 * time.Second)
			}
			return Outcome{Code: "200"}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := r.SendParts(ctx, pipeline.Batch{Signal: pipeline.Logs}, r.groups([]string{"slow"}, []string{"fast"}))
		if _, ok := pipeline.AsRefused(err); !ok {
			t.Error(err)
		}
		start := time.Now()
		if err := r.send(t.Context(), "next"); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited != 9*time.Second {
			t.Errorf("the next call had its place after %s", waited)
		}
		if got := fmt.Sprint(r.arrived()); got != "[fast slow next]" {
			t.Error(got)
		}
	})
}

// What a merged batch has left when some of its requests were taken can be sent without them; what is not merged, or
// was rejected as a whole, needs no such sink.
func TestPartsThatWereTakenAreLeftOutOfTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, func(_ context.Context, _ int, body string) Outcome {
			if strings.HasPrefix(body, "good") {
				return Outcome{Code: "200"}
			}
			return Outcome{Verdict: Rejected, Code: "400", Reason: pipeline.DropRejected, Err: errors.New("never")}
		})
		merged := []pipeline.Part{{End: 1, Items: 1}, {End: 2, Items: 1}}
		for _, c := range []struct {
			parts  []pipeline.Part
			groups [][]string
			taken  string // "" when there is no such sink
			divide bool
		}{
			{merged, [][]string{{"good1", "bad"}, {"good2"}}, "good1 good2", true},
			{merged, [][]string{{"bad"}, {"bad"}}, "", true},
			{merged, [][]string{{"bad"}}, "", true},
			{nil, [][]string{{"good1", "bad"}}, "", false},
		} {
			reqs, taken := r.groups(c.groups...), ""
			reqs.Rest = func(bodies, _ []*Buffer) pipeline.Sink {
				var all []string
				for _, b := range bodies {
					all = append(all, string(b.B))
				}
				taken = strings.Join(all, " ")
				return pipeline.SinkFunc(nil)
			}
			rej, _ := pipeline.AsRejected(r.SendParts(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Parts: c.parts}, reqs))
			if rej == nil || rej.Divide != c.divide || taken != c.taken || (rej.Rest != nil) != (c.taken != "") {
				t.Errorf("%v: %+v, without %q", c.groups, rej, taken)
			}
		}
	})
}
