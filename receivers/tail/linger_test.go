package tail

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
)

// TestAKillRepeatsWithinTheBound: after a kill, what was delivered since the last save and what was in flight comes again:
// with gathered requests, at most the lines of a save's, a linger's, a look's and an answer's time. What waited for others comes once.
func TestAKillRepeatsWithinTheBound(t *testing.T) {
	const (
		files  = 20
		pause  = 300 * time.Millisecond // between the lines of a file
		answer = 150 * time.Millisecond
		kills  = 3
	)
	total := 0
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			rnd := rand.New(rand.NewPCG(seed, 1))
			w.through = pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error {
				if ctx.Err() != nil { // the killed one is not there any more
					return pipeline.Withdrawn(ctx)
				}
				err := w.Consume(ctx, b)
				time.Sleep(answer)
				return err
			})
			written, bound, most := 0, 0, 0
			write := func(d time.Duration) {
				for until := time.Now().Add(d); time.Now().Before(until); time.Sleep(pause / files) {
					w.append(fmt.Sprintf("%02d.log", written%files), fmt.Sprintf("%d of it\n", written))
					written++
				}
			}
			for range kills {
				w.start()
				write(4*time.Second + time.Duration(rnd.IntN(2000))*time.Millisecond) // what the last kill left is delivered long before
				killed := time.Now()
				before := len(w.taken())
				w.kill()
				n := 0
				for _, r := range w.taken()[:before] {
					if killed.Sub(r.at) <= checkpoint.SaveEvery+answer {
						n++
					}
				}
				bound += n
				most = max(most, n)
			}
			w.start()
			write(time.Second)
			doubled := w.complete(written)
			w.stop()
			if doubled > bound {
				t.Errorf("seed %d: %d of %d lines came twice, at most %d may", seed, doubled, written, bound)
			}
			span := checkpoint.SaveEvery + w.cfg.Linger + w.cfg.PollInterval + answer
			if lines := int(span / (pause / files)); most > lines+files {
				t.Errorf("seed %d: a kill may repeat %d lines, more than the %d of %s", seed, most, lines, span)
			}
			total += doubled
		})
	}
	if total == 0 {
		t.Error("no kill repeated anything: the bound was not tried")
	}
}

// TestAnIdleFileIsNotLate: a line of a file that nobody else has lines beside is delivered within a look and the linger.
func TestAnIdleFileIsNotLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.write("a.log", "one\n")
		w.start()
		time.Sleep(30 * time.Second)
		for range 20 {
			w.append("a.log", "more\n")
			wrote, n := time.Now(), len(w.taken())
			time.Sleep(7 * time.Second)
			taken := w.taken()
			if len(taken) != n+1 || taken[n].at.Sub(wrote) > w.cfg.Linger+w.cfg.PollInterval {
				t.Fatalf("%d records, the last after %s", len(taken)-n, taken[len(taken)-1].at.Sub(wrote))
			}
		}
		w.stop()
	})
}
