// Package template turns the text expositions of one scrape target into OTLP metrics requests.
//
// A Template remembers the last body, one small record for each of its lines, and the OTLP bytes made from it.
// The next body is walked beside the last one: where the part of a line before the value is the same, the series
// is known, and the new value and timestamp are written into the OTLP bytes where the old ones stood. No label is
// parsed, nothing is hashed, nothing is looked up. Lines that moved are found by a hash of their text; lines that
// are new go through Prometheus' own parser, once.
//
// Read it in this order: template.go (what is kept, one scrape), line.go and walk.go (the comparison, the hot
// path), slow.go (a line that is not known), rebuild.go (new OTLP bytes after series came or went), group.go
// (histograms and summaries), emit.go (the request).
//
// The series, samples and stale markers are those that Prometheus' scrape loop would append for the same bodies.
// That includes its less obvious rules; they are named where they are followed.
//
// It is one package, large as it is: one state machine over the lines of a body, whose tables every step reads and writes.
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

// Why a scrape did not count although the target answered. The text in front of them says what exactly.
var (
	ErrSampleLimit = errors.New("sample limit exceeded")
	ErrLabelLimit  = errors.New("label limit exceeded")
	ErrFormat      = errors.New("cannot tell the format of the exposition")
	ErrInvalid     = errors.New("invalid exposition")
)

// Settings are fixed for the life of a Template: what makes a series out of a line. A change of any of them needs
// a new one.
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

// Input is what one scrape of the target brought.
type Input struct {
	Time        time.Time            // of the scrape; a sample's time unless it has its own
	Body        []byte               // inflated; handed over: the Template keeps it and gives another one back
	ContentType string               // of the answer
	Err         error                // why there is no body; the scrape failed
	BodySize    int                  // what scrape_body_size_bytes reports
	Elapsed     func() time.Duration // since the scrape began; nil: 0
}

// Result is what became of it.
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

// Template is the state of one target. It is not safe for concurrent use.
//
// Everything that grows with the number of series is a slice without pointers, so that it costs the garbage
// collector nothing.
type Template struct {
	set      Settings
	job      string
	instance string
	resource []byte // framed Resource
	scope    []byte // framed InstrumentationScope
	report   report

	// iter counts scrapes. A series whose seen is iter-1 had a sample in the last scrape that a stale marker would
	// have to end.
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

// New makes the state of a target that was never scraped.
func New(s Settings) *Template {
	t := &Template{set: s, iter: 1}
	t.job, t.instance = s.Target.Get(model.JobLabel), s.Target.Get(model.InstanceLabel)
	t.resource = appendResource(nil, t.job, t.instance)
	t.scope = appendScope(nil, s.Scope, t.job, t.instance)
	t.report = newReport(t)
	return t
}

// Scrape takes one scrape and makes the request, which AppendRequest writes: the samples, the stale markers of series
// that are gone, and the synthetic series up and scrape_*.
func (t *Template) Scrape(in Input) Result {
	w := newWalk(t, in.Time)
	w.res = Result{Err: in.Err, Free: in.Body}
	live := false
	// Prometheus takes an empty answer as a success without samples, whatever its type.
	if in.Err == nil && len(in.Body) > 0 {
		live = w.take(in)
	} else {
		w.appendStale()
	}
	t.iter++
	w.emit(live, in)
	return w.made()
}

// End makes the request that ends every series of a target that is gone, at the given time. next is the target with
// the same labels that is scraped now, or nil: the series it has go on.
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

// handOver takes the series that next has from those that a marker would have to end.
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

// Continues tells whether a template with these settings can take over what t knows: the same lines mean the same
// series.
func (t *Template) Continues(s Settings) bool { return reflect.DeepEqual(t.set, s) }

// SameTarget tells whether the series up of both would be one.
func (t *Template) SameTarget(other *Template) bool {
	return labels.Equal(t.set.Target, other.set.Target) && labels.Equal(t.set.External, other.set.External)
}

// AppendRequest writes what Scrape or End made, once, and before the next of them: straight to where it is wanted,
// because it is copied from the template in one piece.
func (t *Template) AppendRequest(dst []byte) []byte {
	w := t.ready
	t.ready = nil
	dst = w.wrap(dst)
	w.release()
	return dst
}

// Bytes is how much memory the state takes, for measurements.
func (t *Template) Bytes() int {
	return cap(t.body) + cap(t.lines)*lineSize + cap(t.series)*seriesSize + cap(t.arena) +
		cap(t.otlp) + cap(t.metrics)*metricSize + cap(t.groups)*groupSize + cap(t.values)*8
}

// Series is how many series the target has now.
func (t *Template) Series() int { return len(t.series) }

// take walks the body of a scrape and brings the OTLP bytes in line with it. It reports whether there is something
// to send.
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

// maxBody is what the offsets of a line can address, with room for the lines of the last body.
const maxBody = 1 << 30

// adopt makes the walked body the last one.
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

// adoptFailed keeps what a failed scrape leaves, as Prometheus does: lines it had before the fault are known from
// then on, their series had a sample as far as stale markers go, and lines it had not are still known.
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
