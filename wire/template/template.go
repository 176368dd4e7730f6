// Package template turns the text expositions of a scrape target into OTLP metrics requests.
//
// A Template remembers the last body, a small record per line, and the OTLP bytes made from it. The next body is
// compared with the last: where a line is the same up to its value, the new value and timestamp are patched into
// the OTLP bytes, without parsing, hashing or lookup. Moved lines are found by a hash of their text; new lines go
// once through Prometheus' parser.
//
// Read template.go first, then line.go and walk.go (the comparison, the hot path), slow.go (unknown lines),
// rebuild.go (new OTLP bytes when series come or go), group.go (histograms and summaries), emit.go (the request).
//
// Series, samples and stale markers are those of Prometheus' scrape loop for the same bodies, including its less
// obvious rules.
//
// It is one large package because every step of the state machine uses the same tables.
package template

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// Why a scrape failed although the target answered.
var (
	ErrSampleLimit = errors.New("sample limit exceeded")
	ErrLabelLimit  = errors.New("label limit exceeded")
	ErrFormat      = errors.New("cannot tell the format of the exposition")
	ErrInvalid     = errors.New("invalid exposition")
)

// Settings are fixed for the life of a Template.
type Settings struct {
	Scope    string        // name of the instrumentation scope
	Target   labels.Labels // the labels every series of the target gets; job and instance become the scope's
	External labels.Labels // labels of all series that do not have them

	Relabel         []*relabel.Config
	HonorLabels     bool
	HonorTimestamps bool
	TrackStaleness  bool // stale markers also for samples with a timestamp of their own
	Validation      model.ValidationScheme
	Fallback        string // media type of answers that do not name a known one; empty: they fail

	SampleLimit      int // samples after relabelling; 0: none
	LabelLimit       int // labels of a series; 0: none
	LabelNameLength  int // bytes; 0: none
	LabelValueLength int // bytes; 0: none

	ExtraMetrics bool          // scrape_timeout_seconds, scrape_sample_limit, scrape_body_size_bytes
	Timeout      time.Duration // what scrape_timeout_seconds reports
}

// Input is one scrape.
type Input struct {
	Time        time.Time            // of the scrape; a sample's time unless it has its own
	Body        []byte               // inflated; handed over: the Template keeps it and gives another one back
	ContentType string               // of the answer
	Err         error                // why there is no body; the scrape failed
	BodySize    int                  // what scrape_body_size_bytes reports
	Elapsed     func() time.Duration // since the scrape began; nil: 0
}

// Result is the outcome of a scrape.
type Result struct {
	Err     error // why up is 0
	Items   int   // data points in the request
	Size    int   // of the request, in bytes
	Scraped int   // samples in the body
	Kept    int   // samples after relabelling
	Added   int   // series that were not in the last body

	Duplicates  int    // samples of a series that had one already in this body; not sent
	OutOfBounds int    // samples more than ten minutes ahead of the clock; not sent
	Rebuilt     bool   // the OTLP bytes were laid out anew
	Parsed      int    // lines that went through the parser
	Free        []byte // a body buffer that is not used any more
}

// Template is the state of one target. Not safe for concurrent use.
//
// What grows with the number of series is a slice without pointers, which costs the garbage collector nothing.
type Template struct {
	set      Settings
	job      string
	instance string
	resource []byte // framed Resource
	scope    []byte // framed InstrumentationScope
	report   report

	// iter counts scrapes. A series with seen == iter-1 needs a stale marker if it is gone.
	iter        uint32
	contentType string // of the last body
	format      format

	body      []byte
	lines     []line
	metas     int  // lines of kindMeta
	cached    int  // lines after the last successful scrape, for the bound on what failing scrapes add
	distrust  bool // a scrape failed: body holds lines that are no lines of the format, and otlp not the values of all
	unsettled bool // a scrape failed: otlp must be laid out anew before it is sent
	mixed     bool // a scrape failed in which the format changed: lines may be of both

	series  []series
	placed  int // series that have bytes in otlp; the others follow them
	renamed []names
	arena   []byte            // attributes of series that have no number point
	twice   map[string]uint32 // lines that occur several times in a body, and the last scrape that had one

	otlp    []byte   // framed Metric messages
	fixed   int      // otlp[:fixed] is sent as it is, the rest is framed anew each time (exemplars)
	metrics []metric // in the order of otlp
	points  int      // data points in otlp[:fixed]
	groups  []group
	values  []uint64 // bits of the last value of each line of each group

	ready *walk // whose request is not written yet
}

// New makes the state of a new target.
func New(s Settings) *Template {
	t := &Template{set: s, iter: 1}
	t.job, t.instance = s.Target.Get(model.JobLabel), s.Target.Get(model.InstanceLabel)
	t.resource = appendResource(nil, t.job, t.instance)
	t.scope = appendScope(nil, s.Scope, t.job, t.instance)
	t.report = newReport(t)
	return t
}

// Scrape takes a scrape and makes the request for AppendRequest: samples, stale markers, up and scrape_*.
func (t *Template) Scrape(in Input) Result {
	w := newWalk(t, in.Time)
	w.res = Result{Err: in.Err, Free: in.Body}
	live := false
	// In Prometheus an empty answer of any type is a success without samples.
	if in.Err == nil && len(in.Body) > 0 {
		live = w.take(in)
	} else {
		w.appendStale()
	}
	t.iter++
	w.emit(live, in)
	return w.made()
}

// End makes the request that ends every series of a removed target. next is the target with the same labels that
// replaces it, or nil: its series go on.
func (t *Template) End(at time.Time, next *Template) Result {
	w := newWalk(t, at)
	if next != nil {
		t.handOver(next)
	}
	w.appendStale()
	t.iter++
	if next == nil {
		w.rest = t.report.appendStale(w.rest, w.now)
		w.res.Items += t.report.count
	}
	return w.made()
}

// handOver spares the series of next from a marker.
func (t *Template) handOver(next *Template) {
	has := make(map[uint64]bool, len(next.series))
	for i := range next.series {
		if next.series[i].seen == next.iter-1 {
			has[next.series[i].hash] = true
		}
	}
	for i := range t.series {
		if s := &t.series[i]; has[s.hash] {
			s.seen = 0
		}
	}
}

// Continues reports whether a template with these settings can take over t.
func (t *Template) Continues(s Settings) bool { return reflect.DeepEqual(t.set, s) }

// SameTarget reports whether both have the same series up.
func (t *Template) SameTarget(other *Template) bool {
	return labels.Equal(t.set.Target, other.set.Target) && labels.Equal(t.set.External, other.set.External)
}

// AppendRequest writes the request of the last Scrape or End. Call it at most once, before the next of them.
func (t *Template) AppendRequest(dst []byte) []byte {
	w := t.ready
	t.ready = nil
	dst = w.wrap(dst)
	w.release()
	return dst
}

// Bytes is the memory of the state.
func (t *Template) Bytes() int {
	return cap(t.body) + cap(t.lines)*lineSize + cap(t.series)*seriesSize + cap(t.arena) +
		cap(t.otlp) + cap(t.metrics)*metricSize + cap(t.groups)*groupSize + cap(t.values)*8
}

// Series is the number of series.
func (t *Template) Series() int { return len(t.series) }

// take walks the body and updates the OTLP bytes. It reports whether there is something to send.
func (w *walk) take(in Input) bool {
	t := w.t
	f, err := t.formatOf(in.ContentType)
	if err == nil && len(in.Body) > maxBody {
		err = fmt.Errorf("%w: %d bytes are more than can be addressed", ErrInvalid, len(in.Body))
	}
	if err != nil {
		w.res.Err = err
		w.appendStale()
		return false
	}
	t.contentType = in.ContentType
	err = w.walk(in.Body, f)
	if err == nil && w.limited {
		err = ErrSampleLimit
	}
	w.res.Free = t.body[:0]
	w.res.Err = err
	w.appendStale()
	if err != nil {
		w.adoptFailed()
		return false
	}
	w.adopt()
	return true
}

// maxBody is what line offsets can address, with room for the last body's lines.
const maxBody = 1 << 30

func (w *walk) adopt() {
	t := w.t
	if w.building {
		t.lines = fitted(t.lines, w.out)
	} else {
		t.lines = t.lines[:w.next]
	}
	if w.needsRebuild() {
		w.rebuild(false)
	}
	if !w.settleGroups() {
		w.rebuild(false) // without those that OTLP cannot hold exactly now
		w.settleGroups()
	}
	for text, iter := range t.twice {
		if iter != t.iter {
			delete(t.twice, text)
		}
	}
	t.body, t.cached = w.body, len(t.lines)
	t.distrust, t.unsettled, t.mixed = false, false, false
}

// adoptFailed keeps what a failed scrape leaves, as Prometheus does: lines before the fault are known and their
// series count for stale markers; other known lines stay known.
func (w *walk) adoptFailed() {
	t := w.t
	known, left := t.lines[:w.next], t.lines[w.next:]
	if w.building {
		known, left = w.out, t.lines[w.prefix:]
	}
	lines := append(w.lay.lines[:0], known...)
	body := w.body
	if len(known)+len(left) <= 2*t.cached+1000 { // else a target that always fails would grow without bound
		for i := range left {
			l := left[i]
			if l.flag&flagUsed != 0 || l.kind == kindMeta || l.kind == kindEnd {
				continue
			}
			at := uint32(len(body))
			body = append(body, t.body[l.off:l.off+l.n]...)
			l.off = at
			if l.kind != kindDropped && w.has(&t.series[l.ref]) {
				l.flag |= flagShared // another line of its series was there
				l.kind = kindSlow
			}
			lines = append(lines, l)
		}
	}
	w.lay.lines = lines
	t.lines = append(t.lines[:0], lines...)
	t.body, w.body = body, body
	t.distrust, t.unsettled = true, true
	t.mixed = t.mixed || w.strict
	if len(w.parked) > 0 || w.regroup {
		w.rebuild(true)
	}
}
