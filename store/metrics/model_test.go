package metrics

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/metrics/metricstest"
)

// ideal is what a store that knows no blocks and no windows but ours would hold.
type ideal struct {
	samples map[idealKey]float64
	newest  int64 // of all committed samples
	drops   map[pipeline.Reason]int64
}

type idealKey struct {
	series string
	at     int64
}

// apply does to the model what Append does to the store.
func (m *ideal) apply(points []metricstest.Point, now time.Time) {
	limit := int64(math.MinInt64)
	if m.newest != 0 {
		limit = m.newest - lateWindow.Milliseconds()
	}
	newestOf := map[string]int64{}
	for k := range m.samples {
		newestOf[k.series] = max(newestOf[k.series], k.at)
	}
	committed, inBatch := m.newest, map[idealKey]bool{}
	for _, p := range points {
		k := idealKey{p.Series, p.At.UnixMilli()}
		before, stored := m.samples[k]
		late := k.at < newestOf[p.Series] || k.at < m.newest-blockRange.Milliseconds()/2
		switch {
		case p.At.After(now.Add(aheadLimit)):
			m.drops[pipeline.DropTooNew]++
		case late && k.at < limit && !inBatch[k]:
			m.drops[pipeline.DropTooOld]++ // also a repetition: so far back nothing is looked up
		case stored && before == p.Value:
		case stored:
			m.drops[pipeline.DropDuplicate]++
		default:
			m.samples[k] = p.Value
			inBatch[k] = true
			newestOf[p.Series] = max(newestOf[p.Series], k.at)
			committed = max(committed, k.at)
			if limit == math.MinInt64 {
				limit = k.at - lateWindow.Milliseconds()
			}
		}
	}
	m.newest = committed
}

// TestAgainstModel appends random batches of few series and few times, so that everything meets: repetitions and
// conflicts within a batch and with what is stored, late and too late samples, samples of the future; with a restart
// in between. What is stored and what is counted as dropped must be what the model says, to the sample.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 9))
				m := &ideal{samples: map[idealKey]float64{}, drops: map[pipeline.Reason]int64{}}
				st, ledger := open(t, dir, Options{})
				var earlier []map[pipeline.Reason]int64
				for i := range 120 {
					time.Sleep(time.Duration(rng.IntN(60)) * time.Second)
					points := randomPoints(rng, time.Now())
					push(t, st, metricstest.Gauge(points...))
					m.apply(points, time.Now())
					if i == 60 {
						earlier = append(earlier, metricstest.Dropped(t, ledger))
						if err := st.Close(); err != nil {
							t.Fatal(err)
						}
						st, ledger = open(t, dir, Options{})
					}
				}
				drops := metricstest.Dropped(t, ledger)
				for _, e := range earlier {
					for why, n := range e {
						drops[why] += n
					}
				}
				if fmt.Sprint(drops) != fmt.Sprint(m.drops) {
					t.Errorf("dropped %v, the model has %v", drops, m.drops)
				}
				compareSamples(t, st, m)
			})
		})
	}
}

func randomPoints(rng *rand.Rand, now time.Time) []metricstest.Point {
	points := make([]metricstest.Point, 1+rng.IntN(12))
	for i := range points {
		at := now.Truncate(10 * time.Second).Add(-time.Duration(rng.IntN(8)) * 10 * time.Second)
		switch rng.IntN(12) {
		case 0:
			at = at.Add(-time.Duration(rng.IntN(70)) * time.Minute)
		case 1:
			at = at.Add(time.Duration(rng.IntN(15)) * time.Minute)
		}
		points[i] = metricstest.At(string(rune('a'+rng.IntN(4))), at, float64(rng.IntN(3)))
	}
	return points
}

func compareSamples(t *testing.T, st *Store, m *ideal) {
	t.Helper()
	q, err := st.db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	found := 0
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", "m"))
	for set.Next() {
		series := set.At().Labels().Get("s")
		for it := set.At().Iterator(nil); it.Next() == chunkenc.ValFloat; {
			at, v := it.At()
			found++
			if want, ok := m.samples[idealKey{series, at}]; !ok || want != v {
				t.Errorf("series %s has %v at %d; the model has %v (%v)", series, v, at, want, ok)
			}
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	if found != len(m.samples) {
		t.Errorf("%d samples are stored, the model has %d", found, len(m.samples))
	}
}

// TestSeenAgainstMap compares the table of a batch with a map of everything.
func TestSeenAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var s seen
	for range 200 {
		s.reset()
		type key struct {
			ref uint64
			at  int64
		}
		all, newest := map[key]uint64{}, map[uint64]int64{}
		for range rng.IntN(2000) {
			k, bits := key{rng.Uint64N(600), rng.Int64N(4)}, rng.Uint64N(2)
			want := fresh
			last, known := newest[k.ref]
			if before, ok := all[k]; ok {
				want = compare(before, bits)
			} else {
				all[k] = bits
				if known && k.at < last {
					want = backwards
				}
				newest[k.ref] = max(last, k.at)
			}
			got := s.check(k.ref, k.at, bits)
			if got != want {
				t.Fatalf("check(%d, %d, %d) = %d, want %d", k.ref, k.at, bits, got, want)
			}
			if got == fresh || got == backwards {
				s.note(k.ref, k.at, bits)
			}
		}
	}
}
