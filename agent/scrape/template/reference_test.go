package template

import (
	"errors"
	"io"
	"math"
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
			if !lset.Has("__name__") || !lset.IsValid(r.set.Validation) || r.set.checkLimits(lset) != nil {
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

// mutate applies target labels and relabelling, in other words than Settings.final does.
func (r *reference) mutate(lset labels.Labels) labels.Labels {
	m := lset.Map()
	conflicts := map[string]string{}
	r.set.Target.Range(func(l labels.Label) {
		have, ok := m[l.Name]
		if r.set.HonorLabels {
			if !ok {
				m[l.Name] = l.Value
			}
			return
		}
		if have != "" {
			conflicts[l.Name] = have
		}
		m[l.Name] = l.Value
	})
	for len(conflicts) > 0 {
		short := ""
		for k := range conflicts {
			if short == "" || len(k) < len(short) || len(k) == len(short) && k < short {
				short = k
			}
		}
		name := "exported_" + short
		for m[name] != "" {
			name = "exported_" + name
		}
		m[name] = conflicts[short]
		delete(conflicts, short)
	}
	b := labels.NewBuilder(labels.FromMap(m)) // which takes empty labels out
	if !relabel.ProcessBuilder(b, r.set.Relabel...) {
		return labels.EmptyLabels()
	}
	return b.Labels()
}
