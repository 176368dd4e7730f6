package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// logsOf is a batch of records with these bodies.
func logsOf(bodies ...string) pipeline.Batch {
	b, res := wire.BeginMessage(nil, wire.FieldRequestResource)
	b, scope := wire.BeginMessage(b, wire.FieldResourceXScope)
	for _, body := range bodies {
		var rec, value int
		b, rec = wire.BeginMessage(b, wire.FieldScopeXItem)
		b, value = wire.BeginMessage(b, wire.FieldLogBody)
		b = wire.AppendString(b, wire.FieldValueString, body)
		b = wire.EndMessage(wire.EndMessage(b, value), rec)
	}
	b = wire.EndMessage(wire.EndMessage(b, scope), res)
	return pipeline.Batch{Signal: pipeline.Logs, Request: b, Items: len(bodies)}
}

func bodiesOf(r string) (out []string) {
	for res := wire.Request(r).Resources(); res.Next(); {
		for sc := res.Scopes(); sc.Next(); {
			for it := sc.Items(); it.Next(); {
				l := wire.ParseLog(it.Bytes())
				out = append(out, string(l.Body.Str()))
			}
		}
	}
	return out
}

// byItem makes the rig's destination one that takes OTLP.
func (r *rig) byItem() *rig {
	r.encode = func(b pipeline.Batch) (Requests, error) {
		return One(b, func(b pipeline.Batch) *payload.Payload { return payload.Borrow(b, &r.destination.pool) }), nil
	}
	return r
}

// rejecting answers 400 to every request that has a body beginning with "bad".
func rejecting(words func(string) string) func(context.Context, int, string) answer.Outcome {
	return func(_ context.Context, _ int, body string) answer.Outcome {
		time.Sleep(50 * time.Millisecond)
		for _, b := range bodiesOf(body) {
			if strings.HasPrefix(b, "bad") {
				return answer.Outcome{Verdict: answer.Rejected, Code: "400", Reason: pipeline.DropRejected, Err: errors.New(words(b))}
			}
		}
		return answer.Outcome{Code: "200"}
	}
}

func same(string) string { return "400 Bad Request" }

// TestOneBadRecordCostsItself: whoever was in the request with it arrives, once, within a few round trips, and the
// books say what was lost in the end.
func TestOneBadRecordCostsItself(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 100, 3000} {
		for _, bad := range []int{0, n / 2, n - 1} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{}, rejecting(same)).byItem()
				bodies := make([]string, n)
				for i := range bodies {
					bodies[i] = fmt.Sprint("good", i)
				}
				bodies[bad] = "bad"
				begin := time.Now()
				a := pipeline.Read(r.sink.Consume(t.Context(), logsOf(bodies...)), n)
				if a.RejectedItems() != 1 || fmt.Sprint(a.Rejected[0].Ranges) != fmt.Sprintf("[{%d %d}]", bad, bad+1) || a.Rejected[0].Reason != pipeline.DropRejected {
					t.Errorf("%d of %d is bad: %+v", bad, n, a)
				}
				r.holdArrived(t, n-1)
				if took := time.Since(begin); took > 6*50*time.Millisecond {
					t.Errorf("%d records: found after %s", n, took)
				}
				if most := 1 + 4*12 + 16; r.attempts() > most {
					t.Errorf("%d records: %d requests, more than %d", n, r.attempts(), most)
				}
				for _, acc := range r.ledger.Read() {
					if acc.Signal == pipeline.Logs && (acc.Dropped[pipeline.DropRejected].Items != 1 || acc.Delivered.Items != int64(n-1)) {
						t.Errorf("the books say %+v", acc)
					}
				}
				if r.ledger.Unaccounted() != 0 {
					t.Errorf("%d unaccounted for", r.ledger.Unaccounted())
				}
			})
		}
	}
}

// holdArrived checks that so many different records arrived, none twice.
func (r *rig) holdArrived(t *testing.T, want int) {
	t.Helper()
	seen := map[string]int{}
	for _, body := range r.arrived() {
		for _, b := range bodiesOf(body) {
			seen[b]++
			if seen[b] > 1 {
				t.Errorf("%s arrived %d times", b, seen[b])
			}
		}
	}
	if len(seen) != want {
		t.Errorf("%d records arrived, want %d", len(seen), want)
	}
}

// TestDividingAtRandom: with any records bad, refused or partly taken, each item has one fate, what is taken arrived
// once, and the ledger closes.
func TestDividingAtRandom(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 7))
			var mu sync.Mutex
			r := newRig(t, Options{}, func(_ context.Context, _ int, body string) answer.Outcome {
				mu.Lock()
				wait, busy := time.Duration(rnd.IntN(50))*time.Millisecond, rnd.IntN(6) == 0
				mu.Unlock()
				time.Sleep(wait)
				for _, b := range bodiesOf(body) {
					if strings.HasPrefix(b, "bad") {
						return answer.Outcome{Verdict: answer.Rejected, Code: "400", Reason: pipeline.DropTooOld, Err: errors.New(b)}
					}
				}
				if busy {
					return answer.Outcome{Verdict: answer.Retry, Code: "503", Err: errBusy}
				}
				return answer.Outcome{Code: "200"}
			}).byItem()
			n := 1 + rnd.IntN(300)
			share := 1 + rnd.IntN(60)
			bodies := make([]string, n)
			for i := range bodies {
				bodies[i] = fmt.Sprint("good", i)
				if rnd.IntN(share) == 0 {
					bodies[i] = fmt.Sprint("bad", i)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rnd.IntN(5000))*time.Millisecond)
			defer cancel()
			a := pipeline.Read(r.sink.Consume(ctx, logsOf(bodies...)), n)
			time.Sleep(time.Minute) // what is on the wire lands
			arrived := map[string]int{}
			for _, body := range r.arrived() {
				for _, b := range bodiesOf(body) {
					arrived[b]++
				}
			}
			fate := make([]byte, n)
			for _, x := range a.Refused {
				for i := x.From; i < x.To; i++ {
					fate[i] = 'r'
				}
			}
			for _, rej := range a.Rejected {
				for _, x := range rej.Ranges {
					for i := x.From; i < x.To; i++ {
						if fate[i] != 0 {
							t.Errorf("item %d is refused and rejected", i)
						}
						fate[i] = 'x'
						if rej.Reason == pipeline.DropTooOld && strings.HasPrefix(bodies[i], "good") {
							t.Errorf("%s is said to be too old", bodies[i])
						}
					}
				}
			}
			for i, b := range bodies {
				if got := arrived[b]; fate[i] == 0 && got != 1 || fate[i] == 'x' && got != 0 || got > 1 {
					t.Errorf("%s: fate %q, arrived %d times", b, fate[i], got)
				}
			}
			if gap := r.ledger.Unaccounted(); gap != 0 {
				t.Errorf("%d unaccounted for", gap)
			}
		})
	}
}

// TestADestinationThatRejectsEverything gets about one request a batch, and what was not tried alone says so.
func TestADestinationThatRejectsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, func(context.Context, int, string) answer.Outcome {
			time.Sleep(20 * time.Millisecond)
			return answer.Outcome{Verdict: answer.Rejected, Code: "400", Reason: pipeline.DropRejected, Err: errors.New("no")}
		}).byItem()
		bodies := strings.Fields(strings.Repeat("x ", 500))
		for range 600 {
			a := pipeline.Read(r.sink.Consume(t.Context(), logsOf(bodies...)), len(bodies))
			if a.RejectedItems() != len(bodies) {
				t.Fatalf("%+v", a)
			}
		}
		if n := r.attempts(); n > 780 {
			t.Errorf("%d requests for 600 batches", n)
		}
		// It takes something again: dividing is worth its while.
		r.answer = rejecting(same)
		if err := r.sink.Consume(t.Context(), logsOf("a")); err != nil {
			t.Fatal(err)
		}
		a := pipeline.Read(r.sink.Consume(t.Context(), logsOf("a", "b", "bad", "d")), 4)
		if a.RejectedItems() != 1 {
			t.Errorf("afterwards: %+v", a)
		}
	})
}

// TestTooLargeIsDividedBySize: until every piece fits, and a record that is too large alone is the only one lost.
func TestTooLargeIsDividedBySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, func(_ context.Context, _ int, body string) answer.Outcome {
			if len(body) > 4<<10 {
				return answer.Outcome{Verdict: answer.Rejected, Code: "413", Reason: pipeline.DropTooLarge, Err: errors.New("too large")}
			}
			return answer.Outcome{Code: "200"}
		}).byItem()
		bodies := make([]string, 200)
		for i := range bodies {
			bodies[i] = fmt.Sprint(i, strings.Repeat("x", 200))
		}
		bodies[77] = strings.Repeat("y", 5<<10)
		a := pipeline.Read(r.sink.Consume(t.Context(), logsOf(bodies...)), 200)
		if a.RejectedItems() != 1 || a.Rejected[0].Reason != pipeline.DropTooLarge {
			t.Errorf("%+v", a)
		}
		r.holdArrived(t, 199)
	})
}

// TestWhatIsThereCountsAsDelivered: a store of samples that has a request from an attempt without an answer calls it a
// duplicate when it comes again, in the same call or by another one.
func TestWhatIsThereCountsAsDelivered(t *testing.T) {
	for _, retry := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			stored := map[string]bool{}
			o := Options{Retry: DefaultRetryConfig()}
			o.Retry.Enabled = retry
			r := newRig(t, o, func(_ context.Context, n int, body string) answer.Outcome {
				for _, b := range bodiesOf(body) {
					if stored[b] {
						return answer.Outcome{Verdict: answer.Rejected, Code: "400", Reason: pipeline.DropDuplicate, Err: errors.New("duplicate sample")}
					}
				}
				for _, b := range bodiesOf(body) {
					stored[b] = true
				}
				if n == 1 {
					return answer.Outcome{Verdict: answer.Retry, Code: answer.CodeTimeout, Err: answer.ErrTimeout, Unsure: true}
				}
				return answer.Outcome{Code: "200"}
			}).byItem()
			b := logsOf("a", "b", "c")
			err := r.sink.Consume(t.Context(), b)
			if !retry {
				if _, again := pipeline.AsRefused(err); !again {
					t.Fatalf("the first time: %v", err)
				}
				err = r.sink.Consume(t.Context(), b)
			}
			if err != nil {
				t.Errorf("retry %v: %v", retry, err)
			}
			if n := r.metric(t, "sluice_exporter_already_delivered_items_total"); n != 3 {
				t.Errorf("retry %v: %v items were there already, want 3", retry, n)
			}
			// What was never sent before is not there.
			stored["new"] = true
			if rej, never := pipeline.AsRejected(r.sink.Consume(t.Context(), logsOf("new"))); !never || rej.Reason != pipeline.DropDuplicate {
				t.Errorf("a new one that is a duplicate: %+v", rej)
			}
			if r.ledger.Unaccounted() != 0 {
				t.Errorf("%d unaccounted for", r.ledger.Unaccounted())
			}
		})
	}
}

// TestBadRequestsDoNotSlowTheOthers: one request in ten has a bad record, the destination answers after 50 ms.
func TestBadRequestsDoNotSlowTheOthers(t *testing.T) {
	took := map[bool]time.Duration{}
	for _, bad := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{}, rejecting(same)).byItem()
			begin := time.Now()
			for i := range 100 {
				bodies := make([]string, 300)
				for k := range bodies {
					bodies[k] = fmt.Sprint("good", i, "-", k)
				}
				if bad && i%10 == 0 {
					bodies[(i*37)%300] = fmt.Sprint("bad", i)
				}
				a := pipeline.Read(r.sink.Consume(t.Context(), logsOf(bodies...)), 300)
				if n := a.RejectedItems(); n > 1 || a.Refusal != nil {
					t.Fatalf("%+v", a)
				}
			}
			took[bad] = time.Since(begin)
		})
	}
	if ratio := took[true].Seconds() / took[false].Seconds(); ratio > 1.31 {
		t.Errorf("%s without, %s with bad ones: %.2f times", took[false], took[true], ratio)
	}
}

// TestTheLogSaysWhatWentWithTheBad: good records that go with bad ones are named in plain words, with their number and what
// the destination said.
func TestTheLogSaysWhatWentWithTheBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, rejecting(func(string) string { return `entry for stream {app="x"} has no timestamp` })).byItem()
		var log strings.Builder
		r.settings.Log = slog.New(slog.NewTextHandler(&log, nil))
		bodies := make([]string, 320)
		for i := range bodies {
			bodies[i] = fmt.Sprint("good", i)
			if i%20 == 0 {
				bodies[i] = fmt.Sprint("bad", i)
			}
		}
		a := pipeline.Read(r.sink.Consume(t.Context(), logsOf(bodies...)), 320)
		undivided := a.RejectedItems()
		if undivided < 16 || undivided > 280 || a.Rejected[0].Reason != pipeline.DropUndivided {
			t.Fatalf("%+v", a)
		}
		for _, want := range []string{"good records", "rejected_undivided", fmt.Sprint("items=", undivided), "spread over it", "has no timestamp", "suppressed=0"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, log.String())
			}
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines for 3 batches in a minute", n)
		}
	})
}
