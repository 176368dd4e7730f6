package logs

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

	"github.com/sluiceio/sluice/store/logs/logql"
)

// A lineQuery asks for the newest or the oldest lines of a log selection.
type lineQuery struct {
	from, to   int64 // both inside
	limit      int
	forward    bool // oldest first
	categorize bool // keep metadata and parsed labels apart from the stream's
}

// A stream is lines with equal labels.
type stream struct {
	labels  []logql.Label
	key     string
	refs    int // lines of it that are kept
	entries []entry
}

// An entry is one line. Meta and parsed are filled where the query keeps them apart.
type entry struct {
	ns           int64
	line         string
	meta, parsed []logql.Label
	of           *stream
}

// firstWindows is into how many pieces a range is cut at first: the newest lines are likely in the newest piece.
const firstWindows = 64

// lines runs a query by the plan for its selection. The range is walked from the wanted end in windows that double, and left as soon as there are
// enough lines: whatever is found later lies further away.
func (s *Store) lines(ctx context.Context, q lineQuery, p plan) ([]*stream, error) {
	c := &lineCollector{
		query: q, plan: p, max: s.options.MaxResultBytes, streams: map[string]*stream{}, names: map[string]string{},
	}
	c.edge.Store(math.MinInt64)
	if q.forward {
		c.edge.Store(math.MaxInt64)
	}
	readers := make([]lineReader, workers())
	for i := range readers {
		readers[i].rows.newest = !q.forward
	}
	width := max((q.to-q.from)/firstWindows, int64(time.Second))
	for from, to := q.from, q.to; from <= to; width *= 2 {
		lo, hi := max(from, to-width+1), to
		if q.forward {
			lo, hi = from, min(to, from+width-1)
		}
		err := s.blocks(ctx, libraryQuery{text: p.filter, from: lo, to: hi}, func(worker int, b *logstorage.DataBlock) error {
			return readers[worker].read(c, b)
		})
		if err != nil {
			return nil, err
		}
		if len(c.kept) >= q.limit {
			break
		}
		if q.forward {
			from = hi + 1
		} else {
			to = lo - 1
		}
	}
	return c.result(), nil
}

// A lineReader is the part of a query that each worker has.
type lineReader struct {
	rows rowReader
	key  []byte
	all  []logql.Label
}

func (r *lineReader) read(c *lineCollector, b *logstorage.DataBlock) error {
	return r.rows.each(b, func(ns int64, row *logql.Row) error {
		if !c.wants(ns) || !c.plan.rest.Process(row) {
			return nil
		}
		if c.query.categorize {
			r.all = row.AppendStream(r.all[:0])
		} else {
			r.all = row.AppendLabels(r.all[:0])
		}
		r.key = logql.AppendKey(r.key[:0], r.all)
		return c.add(ns, row, r)
	})
}

// A lineCollector keeps the lines that are wanted so far: a heap whose top is the one to give up first.
type lineCollector struct {
	query lineQuery
	plan  plan
	max   int64        // bytes
	edge  atomic.Int64 // a line beyond this time is not wanted any more

	mu      sync.Mutex
	kept    []*entry
	bytes   int64
	streams map[string]*stream
	names   map[string]string // label names, one copy of each
}

// wants reports whether a line of that time can be among the result.
func (c *lineCollector) wants(ns int64) bool {
	if c.query.forward {
		return ns <= c.edge.Load()
	}
	return ns >= c.edge.Load()
}

func (c *lineCollector) add(ns int64, row *logql.Row, r *lineReader) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &entry{ns: ns, line: row.Line}
	full := len(c.kept) >= c.query.limit
	if full {
		if e.of = c.streams[string(r.key)]; e.of == nil {
			e.of = &stream{key: string(r.key)}
		}
		if !c.before(e, c.kept[0]) {
			return nil
		}
	}
	e.of = c.streamOf(r)
	e.line = strings.Clone(e.line)
	if c.query.categorize {
		e.meta = c.clone(row.Meta)
		e.parsed = c.clone(row.AppendParsed(nil))
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
	if len(c.kept) >= c.query.limit {
		c.edge.Store(c.kept[0].ns)
	}
	if c.bytes > c.max {
		return badRequest("the lines of this query need more than %d bytes; lower the limit, or select less", c.max)
	}
	return nil
}

// giveUp forgets a line, and its stream when no other line is of it.
func (c *lineCollector) giveUp(e *entry) {
	c.bytes -= e.size()
	if e.of.refs--; e.of.refs == 0 {
		c.bytes -= e.of.size()
		delete(c.streams, e.of.key)
	}
}

func (s *stream) size() int64 { return sizeOf(s.labels) + int64(len(s.key)) }

func (e *entry) size() int64 {
	return int64(len(e.line)) + sizeOf(e.meta) + sizeOf(e.parsed) + 96
}

func (c *lineCollector) streamOf(r *lineReader) *stream {
	if s, ok := c.streams[string(r.key)]; ok {
		return s
	}
	s := &stream{key: string(r.key), labels: c.clone(r.all)}
	c.bytes += s.size()
	c.streams[s.key] = s
	return s
}

// clone copies labels out of the library's memory; of each name there is one copy.
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

// before reports whether a stands before b in the result. Lines of the same time are ordered, too, so that a limit
// which cuts between them cuts at the same place each time.
func (c *lineCollector) before(a, b *entry) bool {
	order := cmp.Compare(a.ns, b.ns)
	if !c.query.forward {
		order = -order
	}
	if order == 0 {
		order = cmp.Compare(a.of.key, b.of.key)
	}
	if order == 0 {
		order = cmp.Compare(a.line, b.line)
	}
	return order < 0
}

// Len, Less, Swap, Push and Pop make the kept lines a heap with the last of the result on top.
func (c *lineCollector) Len() int           { return len(c.kept) }
func (c *lineCollector) Less(i, j int) bool { return c.before(c.kept[j], c.kept[i]) }
func (c *lineCollector) Swap(i, j int)      { c.kept[i], c.kept[j] = c.kept[j], c.kept[i] }
func (c *lineCollector) Push(x any)         { c.kept = append(c.kept, x.(*entry)) }
func (c *lineCollector) Pop() any {
	e := c.kept[len(c.kept)-1]
	c.kept = c.kept[:len(c.kept)-1]
	return e
}

// result sorts the lines into their streams.
func (c *lineCollector) result() []*stream {
	slices.SortFunc(c.kept, func(a, b *entry) int {
		if c.before(a, b) {
			return -1
		}
		return 1
	})
	var out []*stream
	for _, e := range c.kept {
		if len(e.of.entries) == 0 {
			out = append(out, e.of)
		}
		e.of.entries = append(e.of.entries, *e)
	}
	slices.SortFunc(out, func(a, b *stream) int { return cmp.Compare(a.key, b.key) })
	return out
}
