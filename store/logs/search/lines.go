package search

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/logql"
)

type stream struct {
	logql.Stream
	key  string
	refs int // lines of it that are kept
}

type entry struct {
	logql.Entry
	of *stream
}

// firstWindows is the first division of the range; the newest lines are likely in the newest window.
const firstWindows = 64

// Lines returns the selected lines, by stream.
func (s *Searcher) Lines(ctx context.Context, q logql.LineQuery) ([]logql.Stream, error) {
	return s.lines(ctx, q, s.plan(q.Log, q.From, q.To))
}

// lines walks the range from the requested end in doubling windows, until there are enough lines.
func (s *Searcher) lines(ctx context.Context, q logql.LineQuery, p plan) ([]logql.Stream, error) {
	c := &lineCollector{
		query: q, plan: p, max: s.limits.ResultBytes, streams: map[string]*stream{}, names: map[string]string{},
	}
	c.edge.Store(math.MinInt64)
	if q.Forward {
		c.edge.Store(math.MaxInt64)
	}
	readers := make([]lineReader, engine.Workers())
	for i := range readers {
		readers[i].rows.newest, readers[i].rows.wants = !q.Forward, c.wants
	}
	width := max((q.To-q.From)/firstWindows, int64(time.Second))
	for from, to := q.From, q.To; from <= to; width *= 2 {
		lo, hi := max(from, to-width+1), to
		if q.Forward {
			lo, hi = from, min(to, from+width-1)
		}
		err := s.engine.Blocks(ctx, engine.Query{Text: p.filter, From: lo, To: hi}, func(worker int, b *logstorage.DataBlock) error {
			return readers[worker].read(c, b)
		})
		if err != nil {
			return nil, err
		}
		if len(c.kept) >= q.Limit {
			break
		}
		if q.Forward {
			from = hi + 1
		} else {
			to = lo - 1
		}
	}
	return c.result(), nil
}

// A lineReader is a worker's state.
type lineReader struct {
	rows rowReader
	key  []byte
	all  []logql.Label
}

func (r *lineReader) read(c *lineCollector, b *logstorage.DataBlock) error {
	return r.rows.each(b, func(ns int64, row *logql.Row) error {
		if !c.plan.rest.Process(row) {
			return nil
		}
		if c.query.Categorize {
			r.all = row.AppendStream(r.all[:0])
		} else {
			r.all = row.AppendLabels(r.all[:0])
		}
		r.key = logql.AppendKey(r.key[:0], r.all)
		return c.add(ns, row, r)
	})
}

// A lineCollector is a heap of lines, with the one to drop first on top.
type lineCollector struct {
	query logql.LineQuery
	plan  plan
	max   int64        // bytes
	edge  atomic.Int64 // a line beyond this time is not wanted any more

	mu      sync.Mutex
	kept    []*entry
	bytes   int64
	streams map[string]*stream
	names   map[string]string // label names, one copy of each
}

// wants reports whether a line of that time can be in the result.
func (c *lineCollector) wants(ns int64) bool {
	if c.query.Forward {
		return ns <= c.edge.Load()
	}
	return ns >= c.edge.Load()
}

func (c *lineCollector) add(ns int64, row *logql.Row, r *lineReader) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &entry{Entry: logql.Entry{Time: ns, Line: row.Line}}
	full := len(c.kept) >= c.query.Limit
	if full {
		if e.of = c.streams[string(r.key)]; e.of == nil {
			e.of = &stream{key: string(r.key)}
		}
		if !c.before(e, c.kept[0]) {
			return nil
		}
	}
	e.of = c.streamOf(r)
	e.Line = strings.Clone(e.Line)
	if c.query.Categorize {
		e.Meta = c.clone(row.Meta)
		e.Parsed = c.clone(row.AppendParsed(nil))
	}
	e.of.refs++
	c.bytes += e.size()
	if full {
		c.giveUp(c.kept[0])
		c.kept[0] = e
		heap.Fix(c, 0)
	} else {
		heap.Push(c, e)
	}
	if len(c.kept) >= c.query.Limit {
		c.edge.Store(c.kept[0].Time)
	}
	if c.bytes > c.max {
		return logql.EvalErrorf("the lines of this query need more than %d bytes; lower the limit, or select less", c.max)
	}
	return nil
}

// giveUp drops a line, and its stream with the last line.
func (c *lineCollector) giveUp(e *entry) {
	c.bytes -= e.size()
	if e.of.refs--; e.of.refs == 0 {
		c.bytes -= e.of.size()
		delete(c.streams, e.of.key)
	}
}

func (s *stream) size() int64 { return sizeOf(s.Labels) + int64(len(s.key)) }

func (e *entry) size() int64 {
	return int64(len(e.Line)) + sizeOf(e.Meta) + sizeOf(e.Parsed) + 96
}

func (c *lineCollector) streamOf(r *lineReader) *stream {
	if s, ok := c.streams[string(r.key)]; ok {
		return s
	}
	s := &stream{key: string(r.key), Stream: logql.Stream{Labels: c.clone(r.all)}}
	c.bytes += s.size()
	c.streams[s.key] = s
	return s
}

// clone copies labels from the library's memory, sharing names.
func (c *lineCollector) clone(ls []logql.Label) []logql.Label {
	if len(ls) == 0 {
		return nil
	}
	out := make([]logql.Label, len(ls))
	for i, l := range ls {
		name, ok := c.names[l.Name]
		if !ok {
			name = strings.Clone(l.Name)
			c.names[name] = name
		}
		out[i] = logql.Label{Name: name, Value: strings.Clone(l.Value)}
	}
	return out
}

// before is the result order. It is total, so that a limit always cuts at the same line.
func (c *lineCollector) before(a, b *entry) bool {
	order := cmp.Compare(a.Time, b.Time)
	if !c.query.Forward {
		order = -order
	}
	if order == 0 {
		order = cmp.Compare(a.of.key, b.of.key)
	}
	if order == 0 {
		order = cmp.Compare(a.Line, b.Line)
	}
	return order < 0
}

// heap.Interface, with the last of the result on top.
func (c *lineCollector) Len() int           { return len(c.kept) }
func (c *lineCollector) Less(i, j int) bool { return c.before(c.kept[j], c.kept[i]) }
func (c *lineCollector) Swap(i, j int)      { c.kept[i], c.kept[j] = c.kept[j], c.kept[i] }
func (c *lineCollector) Push(x any)         { c.kept = append(c.kept, x.(*entry)) }
func (c *lineCollector) Pop() any {
	e := c.kept[len(c.kept)-1]
	c.kept = c.kept[:len(c.kept)-1]
	return e
}

func (c *lineCollector) result() []logql.Stream {
	slices.SortFunc(c.kept, func(a, b *entry) int {
		if c.before(a, b) {
			return -1
		}
		return 1
	})
	var streams []*stream
	for _, e := range c.kept {
		if len(e.of.Entries) == 0 {
			streams = append(streams, e.of)
		}
		e.of.Entries = append(e.of.Entries, e.Entry)
	}
	slices.SortFunc(streams, func(a, b *stream) int { return cmp.Compare(a.key, b.key) })
	out := make([]logql.Stream, len(streams))
	for i, s := range streams {
		out[i] = s.Stream
	}
	return out
}
