package scrape

import (
	"context"
	"sync"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire/template"
)

type loop struct {
	job    *job
	target *target
	fetch  *fetcher
	broken error      // the request is invalid
	mu     sync.Mutex // guards state, which a loop with the same labels may read when it ends
	state  *template.Template
	gone   chan struct{} // closed when the target is gone
	once   sync.Once
	last   time.Time // of the last scrape
	up     bool
}

func newLoop(j *job, t *target) *loop {
	l := &loop{job: j, target: t, state: template.New(j.templateSettings(t)), gone: make(chan struct{}), up: true}
	l.fetch, l.broken = newFetcher(j, t)
	return l
}

func (l *loop) inherit(old *loop) {
	l.state, l.last, l.up = old.state, old.last, old.up
	if was := old.target.shown; !was.LastScrape().IsZero() {
		l.target.shown.Report(was.LastScrape(), was.LastScrapeDuration(), was.LastError())
	}
}

func (l *loop) end() { l.once.Do(func() { close(l.gone) }) }

// tolerance is how far a timestamp is moved onto the interval's grid: regular timestamps compress better in a TSDB. As in
// Prometheus, at most 1 % of the interval.
const tolerance = 2 * time.Millisecond

func (l *loop) run() {
	if l.fetch != nil {
		defer l.fetch.close()
	}
	ctx, interval := l.job.r.ctx, l.target.interval
	first := l.target.offset(time.Now(), l.job.r.seed)
	if l.last.IsZero() {
		first += l.job.r.cfg.InitialScrapeOffset
	}
	wait := time.NewTimer(first)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-l.gone:
		l.job.r.orphan(l)
		return
	case <-ctx.Done():
		return
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	// Round strips the monotonic clock, which differences would use.
	grid := time.Now().Round(0)
	for {
		at := time.Now().Round(0)
		for at.Sub(grid) >= interval {
			grid = grid.Add(interval)
		}
		if at.Sub(grid) <= min(interval/100, tolerance) {
			at = grid
		}
		l.scrape(at)
		select {
		case <-ctx.Done():
			return
		default:
		}
		select {
		case <-ticker.C:
		case <-l.gone:
			l.job.r.orphan(l)
			return
		case <-ctx.Done():
			return
		}
	}
}

func (l *loop) scrape(at time.Time) {
	j, r := l.job, l.job.r
	begin := time.Now()
	in := template.Input{Time: at, Elapsed: func() time.Duration { return time.Since(begin) }}
	in.Err = j.overflow()
	if in.Err == nil {
		in.Err = l.broken
	}
	if in.Err == nil {
		ctx, cancel := context.WithTimeout(r.ctx, l.target.timeout)
		in.Body, in.ContentType, in.Err = l.fetch.fetch(ctx)
		cancel()
		if r.ctx.Err() != nil {
			return // we canceled it: not the target's fault
		}
		in.BodySize = len(in.Body)
		if in.Err != nil && reasonFor(in.Err) == reasonBodySize {
			in.BodySize = -1
		}
	}
	l.mu.Lock()
	res := l.state.Scrape(in)
	l.mu.Unlock()
	l.last = begin
	l.target.shown.Report(begin, time.Since(begin), res.Err)
	r.buffers.put(res.Free)
	r.out.Put(res.Items, res.Size, l.state.AppendRequest)
	r.metrics.add(&res)
	l.note(res.Err)
	book(r.settings, &res)
}

// book counts the samples of a body that are not sent.
func book(s pipeline.Settings, res *template.Result) {
	s.Drop(pipeline.DropDuplicate, pipeline.Metrics, res.Duplicates, 0)
	s.Drop(pipeline.DropTooNew, pipeline.Metrics, res.OutOfBounds, 0)
}

func (l *loop) note(err error) {
	if l.up == (err == nil) {
		return
	}
	l.up = err == nil
	log := l.job.r.settings.Log.With("job", l.job.cfg.JobName, "target", l.target.url)
	if err != nil {
		log.Warn("cannot scrape a target", "reason", string(reasonFor(err)), "error", err)
	} else {
		log.Info("the target can be scraped again")
	}
}
