package template

import (
	"errors"
	"io"
	"math"
	"sort"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"
)

// reference says in the plainest way what Prometheus' scrape loop appends for a sequence of bodies: maps keyed by
// text, everything parsed every time. The identity test holds it against the real scrape manager; the fuzz test
// holds the Template against it.
type reference struct {
	set     Settings
	iter    int
	series  map[string]*refEntry
	dropped map[string]int
	cur     map[string]bool // labels of series with a sample a marker would end
	prev    map[string]bool
	success int
	out     []point
}

type refEntry struct {
	lset string
	iter int
}

func newReference(s Settings) *reference {
	return &reference{
		set: s, series: map[string]*refEntry{}, dropped: map[string]int{},
		cur: map[string]bool{}, prev: map[string]bool{},
	}
}

type refResult struct {
	err                     error
	scraped, kept, added    int
	duplicates, outOfBounds int
}

var errRef = errors.New("scrape failed")

// scrape returns the samples that one scrape commits, without the synthetic series.
func (r *reference) scrape(in Input) ([]point, refResult) {
	res := refResult{err: in.Err}
	ms := in.Time.UnixMilli()
	r.out = nil
	if in.Err == nil && len(in.Body) > 0 {
		if res = r.append(in, ms); res.err == nil {
			r.stale(ms)
			r.done(true)
			return r.out, res
		}
	}
	r.out = nil
	r.stale(ms)
	r.done(false)
	return r.out, res
}

func (r *reference) stale(ms int64) {
	for l := range r.prev {
		if !r.cur[l] {
			r.out = append(r.out, point{l, ms, value.StaleNaN})
		}
	}
}

func (r *reference) done(flush bool) {
	n := len(r.series) + len(r.dropped)
	if flush {
		r.success = n
	} else if n > 2*r.success+1000 {
		flush = true
	}
	if flush {
		for k, e := range r.series {
			if e.iter != r.iter {
				delete(r.series, k)
			}
		}
		for k, it := range r.dropped {
			if it != r.iter {
				delete(r.dropped, k)
			}
		}
	}
	r.prev, r.cur = r.cur, map[string]bool{}
	r.iter++
}

func (r *reference) append(in Input, ms int64) (res refResult) {
	body := append([]byte(nil), in.Body...)
	p, _ := textparse.New(body, in.ContentType, labels.NewSymbolTable(), textparse.ParserOptions{FallbackContentType: r.set.Fallback})
	if p == nil {
		res.err = errRef
		return res
	}
	limit := math.MaxInt
	if r.set.SampleLimit > 0 {
		limit = r.set.SampleLimit
	}
	limited := false
	for {
		e, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			res.err = err
			return res
		}
		if e != textparse.EntrySeries {
			continue
		}
		res.scraped++
		met, ts, v := p.Series()
		at := ms
		if !r.set.HonorTimestamps {
			ts = nil
		}
		if ts != nil {
			at = *ts
		}
		if _, ok := r.dropped[string(met)]; ok {
			r.dropped[string(met)] = r.iter
			continue
		}
		ce, cached := r.series[string(met)]
		again := cached && ce.iter == r.iter
		var name string
		if cached {
			ce.iter = r.iter
			name = ce.lset
		} else {
			var lset labels.Labels
			p.Labels(&lset)
			lset = r.mutate(lset)
			if lset.IsEmpty() {
				r.dropped[string(met)] = r.iter
				continue
			}
			// The last is the TSDB's check; the scrape loop fails on its answer.
			_, double := lset.HasDuplicateLabelNames()
			if double || !lset.Has("__name__") || !lset.IsValid(r.set.Validation) || r.set.checkLimits(lset) != nil {
				res.err = errRef
				return res
			}
			name = lset.String()
		}
		res.kept++
		if again && ts == nil {
			res.duplicates++
			continue
		}
		if limit <= 0 {
			limited = true
			continue
		}
		limit--
		if at > time.Now().Add(10*time.Minute).UnixMilli() {
			res.outOfBounds++
			continue
		}
		r.out = append(r.out, point{name, at, math.Float64bits(v)})
		if !cached {
			r.series[string(met)] = &refEntry{name, r.iter}
			if !limited {
				res.added++
			}
		}
		if ts == nil || r.set.TrackStaleness {
			r.cur[name] = true
		}
	}
	if limited {
		res.err = ErrSampleLimit
	}
	return res
}

// mutate applies target labels and relabelling.
func (r *reference) mutate(lset labels.Labels) labels.Labels {
	b := labels.NewBuilder(lset)
	type conflict struct{ name, value string }
	var conflicts []conflict
	r.set.Target.Range(func(l labels.Label) {
		have := lset.Get(l.Name)
		if r.set.HonorLabels && lset.Has(l.Name) {
			return
		}
		if have != "" && !r.set.HonorLabels {
			conflicts = append(conflicts, conflict{l.Name, have})
		}
		b.Set(l.Name, l.Value)
	})
	sort.SliceStable(conflicts, func(i, j int) bool { return len(conflicts[i].name) < len(conflicts[j].name) })
	for _, c := range conflicts {
		name := "exported_" + c.name
		for b.Get(name) != "" {
			name = "exported_" + name
		}
		b.Set(name, c.value)
	}
	if !relabel.ProcessBuilder(b, r.set.Relabel...) {
		return labels.EmptyLabels()
	}
	return b.Labels()
}
