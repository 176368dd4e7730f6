package divide

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
)

// point is a sample of a series; its index is that of its item.
type point struct{ series, time, item uint32 }

// points are pieces: of a request by series, of a series by time.
type points struct {
	pool   *buffer.Pool
	groups [][]point
	inner  bool
}

func (p points) Len() int { return len(p.groups) }

func (p points) Items(from, to int) pipeline.Ranges {
	var all []pipeline.Range
	for _, g := range p.groups[from:to] {
		for _, x := range g {
			all = append(all, pipeline.Range{From: int(x.item), To: int(x.item) + 1})
		}
	}
	return pipeline.NewRanges(all)
}

func (p points) Cut(from, to int) *payload.Payload {
	var body []byte
	for _, g := range p.groups[from:to] {
		for _, x := range g {
			for _, v := range [...]uint32{x.series, x.time, x.item} {
				body = binary.LittleEndian.AppendUint32(body, v)
			}
		}
	}
	return payload.Own(pipeline.Batch{Signal: pipeline.Metrics}, p.pool.Copy(body))
}

func (p points) Within(i int) (Pieces, bool) {
	if p.inner {
		return nil, false
	}
	in := points{pool: p.pool, inner: true}
	for _, x := range p.groups[i] {
		in.groups = append(in.groups, []point{x})
	}
	return in, true
}

func (p points) Key(int) uint64 { return 0 }

// database stores a request as a whole or not at all, takes the last sample of a series twice, and nothing older.
type database struct {
	mu     sync.Mutex
	newest map[uint32]uint32
	has    map[uint32]bool // items
}

func (db *database) Deliver(_ context.Context, p *payload.Payload) error {
	defer p.Release()
	body, _ := io.ReadAll(p.Reader())
	return db.write(body)
}

func (db *database) write(body []byte) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	newest := map[uint32]uint32{}
	var items []uint32
	for ; len(body) > 0; body = body[12:] {
		series, at, item := binary.LittleEndian.Uint32(body), binary.LittleEndian.Uint32(body[4:]), binary.LittleEndian.Uint32(body[8:])
		last, ok := newest[series]
		if !ok {
			last = db.newest[series]
		}
		if at < last {
			return pipeline.Reject(0, pipeline.DropOutOfOrder, errors.New("out of order sample"))
		}
		newest[series] = at
		items = append(items, item)
	}
	for s, at := range newest {
		db.newest[s] = at
	}
	for _, i := range items {
		db.has[i] = true
	}
	return nil
}

// TestWhatIsCalledDeliveredIsThere: with any series out of order from some sample on, and a request that may have arrived
// before and did or did not, no item counts as delivered that the store does not have.
func TestWhatIsCalledDeliveredIsThere(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		db := &database{newest: map[uint32]uint32{}, has: map[uint32]bool{}}
		all := points{pool: &buffer.Pool{}}
		n, samples, share := 1+rnd.IntN(400), 2+rnd.IntN(20), 8+rnd.IntN(50)
		items := uint32(0)
		for s := range n {
			var g []point
			for k := range samples {
				g = append(g, point{uint32(s), uint32(10 + k), items})
				items++
			}
			all.groups = append(all.groups, g)
			if rnd.IntN(share) == 0 {
				db.newest[uint32(s)] = uint32(11 + rnd.IntN(2*samples)) // of somebody else
			}
		}
		request := all.Cut(0, n)
		request.Items = int(items)
		maybe, arrived := rnd.IntN(2) == 0, false
		if maybe {
			request.Unanswered()
			if arrived = rnd.IntN(2) == 0; arrived {
				body, _ := io.ReadAll(request.Reader())
				arrived = db.write(body) == nil
			}
		}
		requests, there := 0, 0
		d := Divider{
			Deliver: func(ctx context.Context, p *payload.Payload) error {
				db.mu.Lock()
				requests++
				db.mu.Unlock()
				return db.Deliver(ctx, p)
			},
			AlreadyThere: func(_ *payload.Payload, items int) { there += items },
			History:      &History{}, Log: slog.New(slog.DiscardHandler),
		}
		g := pipeline.NewGather(int(items))
		why := &pipeline.Rejected{Reason: pipeline.DropOutOfOrder, Err: errors.New("out of order sample")}
		d.Divide(t.Context(), Rejection{Request: request, Pieces: all, Why: why}, g)
		a := g.Answer()
		lost := pipeline.Ranges{}
		for _, r := range a.Rejected {
			lost = lost.Union(r.Ranges)
		}
		name := fmt.Sprintf("seed %d (%d series of %d, maybe %v, arrived %v)", seed, n, samples, maybe, arrived)
		for i := range items {
			called := lost.Intersect(pipeline.Ranges{{From: int(i), To: int(i) + 1}}).Len() == 0
			if called && !db.has[i] {
				t.Fatalf("%s: item %d is called delivered and is not there", name, i)
			}
		}
		if arrived && lost.Len() > 0 {
			t.Errorf("%s: %d items are there and are called lost", name, lost.Len())
		}
		if !maybe && there > 0 {
			t.Errorf("%s: %d items are called there already", name, there)
		}
		if requests > 300 {
			t.Errorf("%s: %d requests", name, requests)
		}
	}
}

func TestSuspectsAreBounded(t *testing.T) {
	var s Suspects
	for k := range uint64(suspectMost + 100) {
		s.Add(k, true)
	}
	if s.Of(0) < Proven || s.Of(suspectMost+1) != Innocent || len(s.seen) != suspectMost {
		t.Errorf("%d suspects", len(s.seen))
	}
	s.Add(0, false)
	if s.Of(0) < Proven {
		t.Error("what was rejected alone is only doubted")
	}
	for k := range uint64(100) {
		s.seen[k] = suspect{time.Now().Add(-suspectFor - time.Second), true}
	}
	s.Add(suspectMost+1, false)
	if s.Of(suspectMost+1) != Doubted || s.Of(0) != Innocent {
		t.Error("old suspects do not make room")
	}
}

// TestSpreadBadSeriesAreFound: series that are always rejected, spread over a target's, cost their neighbours at most a few
// batches, whatever their share; the requests of each batch are bounded, and few in the end.
func TestSpreadBadSeriesAreFound(t *testing.T) {
	const n = 1000
	for _, bad := range []int{1, 3, 10, 25, 100, 300} {
		for seed := range uint64(2) {
			rnd := rand.New(rand.NewPCG(seed, 2))
			isBad := map[uint32]bool{}
			for len(isBad) < bad {
				isBad[uint32(rnd.IntN(n))] = true
			}
			var suspects Suspects
			history := &History{}
			var lost, requests []int
			for range 60 {
				history.spent = 0 // a minute later
				l, r := oneScrape(t, n, isBad, history, &suspects)
				lost, requests = append(lost, l-bad), append(requests, r)
			}
			total, most := 0, 0
			for i := range lost {
				total += lost[i]
				most = max(most, requests[i])
			}
			name := fmt.Sprintf("%d bad of %d, seed %d", bad, n, seed)
			if last := lost[len(lost)-1]; last != 0 {
				t.Errorf("%s: good series are lost in the end: %d, %v", name, last, lost)
			}
			if bad <= 3 && total != 0 {
				t.Errorf("%s: good series lost: %v", name, lost)
			}
			if total > 20*n {
				t.Errorf("%s: %d good samples lost before all bad are known: %v", name, total, lost)
			}
			if most > 2*(1+4*10+16) {
				t.Errorf("%s: %d requests for a batch", name, most)
			}
			if end := requests[len(requests)-1]; end > 12 {
				t.Errorf("%s: %d requests a batch in the end: %v", name, end, requests)
			}
			if seed == 0 {
				t.Logf("%s: good ones lost %v, requests %v", name, lost, requests)
			}
		}
	}
}

// oneScrape sends one sample of each series as an encoder does, by suspicion, to a store that rejects a request with a bad
// one. It returns how many were lost, and the requests.
func oneScrape(t *testing.T, n int, isBad map[uint32]bool, history *History, suspects *Suspects) (lost, requests int) {
	t.Helper()
	var groups [Suspicions]keyed
	for s := range uint32(n) {
		k := &groups[suspects.Of(uint64(s+1))]
		k.groups = append(k.groups, []point{{series: s, item: s}})
	}
	var mu sync.Mutex
	reject := &pipeline.Rejected{Reason: pipeline.DropRejected, Err: errors.New("bad series")}
	deliver := func(_ context.Context, p *payload.Payload) error {
		defer p.Release()
		body, _ := io.ReadAll(p.Reader())
		mu.Lock()
		requests++
		mu.Unlock()
		for ; len(body) > 0; body = body[12:] {
			if isBad[binary.LittleEndian.Uint32(body)] {
				return pipeline.Reject(0, reject.Reason, reject.Err)
			}
		}
		history.Taken()
		return nil
	}
	d := Divider{Deliver: deliver, AlreadyThere: func(*payload.Payload, int) {}, History: history, Suspects: suspects, Log: slog.New(slog.DiscardHandler)}
	var sent []keyed
	for s, g := range groups {
		g.pool = &buffer.Pool{}
		rest := keyed{points{pool: g.pool}}
		for _, one := range g.groups {
			if Suspicion(s) == Alone {
				sent = append(sent, keyed{points{pool: g.pool, groups: [][]point{one}}})
				continue
			}
			rest.groups = append(rest.groups, one)
		}
		sent = append(sent, rest)
	}
	for _, k := range sent {
		if k.Len() == 0 {
			continue
		}
		p := k.Cut(0, k.Len())
		p.Items = k.Len()
		p.Keep()
		if err := deliver(t.Context(), p); err == nil {
			suspects.Clear(k)
			continue
		}
		g := pipeline.NewGather(n)
		d.Divide(t.Context(), Rejection{Request: p, Pieces: k, Why: reject}, g)
		p.Forget()
		a := g.Answer()
		lost += a.RejectedItems()
	}
	return lost, requests
}

// keyed are pieces that are known by their series.
type keyed struct{ points }

func (k keyed) Key(i int) uint64 { return uint64(k.groups[i][0].series) + 1 }

func (k keyed) Within(int) (Pieces, bool) { return nil, false }
