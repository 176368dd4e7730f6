package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/divide"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
)

// samplePieces are the bodies of a batch of logs, each in the role of a series: "a:1,2,3" has three samples.
type samplePieces struct {
	r      *rig
	batch  pipeline.Batch
	series []string
	of     int // in a series, its index
	inner  bool
}

// bySeries makes the rig's destination one that takes series of samples.
func (r *rig) bySeries() *rig {
	r.encode = func(b pipeline.Batch) (Requests, error) {
		return Requests{
			Groups: [][]*payload.Payload{{payload.Own(b, r.destination.pool.Copy(b.Request))}},
			Pieces: func(*payload.Payload) divide.Pieces { return samplePieces{r, b, bodiesOf(string(b.Request)), 0, false} },
		}, nil
	}
	return r
}

func (p samplePieces) Len() int { return len(p.series) }

func (p samplePieces) Items(from, to int) pipeline.Ranges {
	if p.inner && from < to {
		return pipeline.NewRanges([]pipeline.Range{{From: p.of, To: p.of + 1}})
	}
	return pipeline.NewRanges([]pipeline.Range{{From: from, To: to}})
}

func (p samplePieces) Cut(from, to int) *payload.Payload {
	return payload.Own(logsOf(p.series[from:to]...), p.r.destination.pool.Copy(logsOf(p.series[from:to]...).Request))
}

func (p samplePieces) Within(i int) (divide.Pieces, bool) {
	if p.inner {
		return nil, false
	}
	name, samples, _ := strings.Cut(p.series[i], ":")
	var one []string
	for _, s := range strings.Split(samples, ",") {
		one = append(one, name+":"+s)
	}
	return samplePieces{p.r, p.batch, one, i, true}, true
}

func (p samplePieces) Key(int) uint64 { return 0 }

// database stores samples as Prometheus does: a request with one that is out of order is rolled back, and the last sample
// of a series may come again.
type database map[string]int

var databaseMu sync.Mutex

func (db database) write(body string) error {
	databaseMu.Lock()
	defer databaseMu.Unlock()
	now := map[string]int{}
	for _, series := range bodiesOf(body) {
		name, samples, _ := strings.Cut(series, ":")
		for _, s := range strings.Split(samples, ",") {
			var at int
			_, _ = fmt.Sscan(s, &at)
			last, ok := now[name]
			if !ok {
				last = db[name]
			}
			if at < last {
				return errors.New("out of order sample")
			}
			now[name] = at
		}
	}
	for name, at := range now {
		db[name] = at
	}
	return nil
}

// TestARequestWithoutAnAnswerThatNeverArrived: it is repeated, and some series in each of the first pieces are out of
// order for a reason of their own. What was not tried is not there: it is rejected, and counted.
func TestARequestWithoutAnAnswerThatNeverArrived(t *testing.T) {
	for _, c := range []struct {
		series, samples, badEach int
		stored                   bool // the request did arrive
	}{
		{320, 3, 20, false}, {320, 3, 7, false}, {320, 1, 20, false}, {2000, 2, 125, false}, {320, 3, 4, false}, {12, 3, 4, false}, {1, 40, 0, false},
		{320, 3, 0, true}, {320, 3, 20, true}, {2000, 2, 0, true}, {5, 3, 0, true}, {1, 100, 0, true},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := database{}
				bad := map[string]bool{}
				series := make([]string, c.series)
				for i := range series {
					name := fmt.Sprint("s", i)
					if c.badEach > 0 && i%c.badEach == 0 {
						bad[name] = true
						db[name] = 1000
					}
					series[i] = name + ":1"
					for k := 2; k <= c.samples; k++ {
						series[i] += fmt.Sprint(",", k)
					}
				}
				if c.badEach == 0 && !c.stored {
					db["s0"] = 20 // half of it
				}
				r := newRig(t, Options{}, func(_ context.Context, n int, body string) answer.Outcome {
					if n == 1 {
						if c.stored {
							for _, s := range bodiesOf(body) {
								if name, _, _ := strings.Cut(s, ":"); !bad[name] {
									_ = db.write(string(logsOf(s).Request))
								}
							}
						}
						return answer.Outcome{Verdict: answer.Retry, Code: answer.CodeTimeout, Err: answer.ErrTimeout, Unsure: true}
					}
					if err := db.write(body); err != nil {
						return answer.Outcome{Verdict: answer.Rejected, Code: "400", Reason: pipeline.DropOutOfOrder, Err: err}
					}
					return answer.Outcome{Code: "200"}
				}).bySeries()
				a := pipeline.Read(r.sink.Consume(t.Context(), logsOf(series...)), c.series)
				missing, silent := 0, 0
				rejected := pipeline.Ranges{}
				for _, x := range a.Rejected {
					rejected = rejected.Union(x.Ranges)
				}
				for i := range series {
					name := fmt.Sprint("s", i)
					there := db[name] == c.samples
					told := rejected.Len()-rejected.Without(pipeline.Ranges{{From: i, To: i + 1}}).Len() == 0
					if told && !there && !bad[name] {
						missing++
					}
					if told && bad[name] && !c.stored && c.samples > 1 {
						silent++
					}
				}
				if missing > 0 {
					t.Errorf("%d good series were called delivered and are not there", missing)
				}
				if silent > 0 {
					t.Errorf("%d series that are out of order were called delivered", silent)
				}
				if n := a.RejectedItems(); c.stored && c.badEach == 0 && n > 0 {
					t.Errorf("%d series are there and were called lost", n)
				}
				if n := r.attempts(); n > 130 {
					t.Errorf("%d requests", n)
				}
				if r.ledger.Unaccounted() != 0 {
					t.Errorf("%d unaccounted for", r.ledger.Unaccounted())
				}
			})
		})
	}
}
