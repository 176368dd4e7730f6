package search

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/logql"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// A counter counts rows into the windows of a range expression, in one pass.
type counter struct {
	expr  *logql.RangeExpr
	fold  logql.Fold
	plan  plan
	steps logql.Steps // count rows with parser errors, too

	preserve bool // rows that a parser failed on count, too

	maxSeries int
	maxCells  int64
	cells     atomic.Int64 // counters that all workers have made
	mu        sync.Mutex
	seen      map[string]bool // keys of series that any worker has made
}

// A tally counts one series. n holds differences between steps, so a row costs the same for any number of windows.
type tally struct {
	labels []logql.Label
	n      []int64
	bytes  []int64 // of lines; for the functions that want it
}

func (s *Searcher) newCounter(e *logql.RangeExpr, f logql.Fold, steps logql.Steps) *counter {
	steps.Start -= int64(e.Offset)
	c := &counter{
		expr: e, fold: f, steps: steps,
		maxSeries: s.limits.Series, maxCells: s.limits.ResultBytes / 8, seen: map[string]bool{},
	}
	c.plan = s.plan(e.Log, c.from(), c.to())
	c.needs()
	return c
}

// needs finds the labels that the query uses, as Loki does. Without any, parsers do not run and unparsable lines
// count; __error__ counts them explicitly.
func (c *counter) needs() {
	if c.fold.Without {
		return
	}
	names := slices.Clone(c.fold.By)
	for _, s := range c.expr.Log.Stages {
		if f, ok := s.(*logql.LabelFilter); ok {
			names = appendNames(names, f.Cond)
		}
	}
	c.preserve = slices.Contains(names, logql.ErrorLabel)
	if len(names) > 0 {
		return
	}
	c.plan.rest.Stages = slices.DeleteFunc(c.plan.rest.Stages, func(s logql.Stage) bool {
		_, parser := s.(*logql.ParseStage)
		_, drop := s.(*logql.DropStage)
		return parser || drop
	})
}

// from and to are the times of the first and last row that counts.
func (c *counter) from() int64 { return c.steps.Start - int64(c.expr.Range) + 1 }
func (c *counter) to() int64   { return c.steps.At(c.steps.Count - 1) }

func (s *Searcher) count(ctx context.Context, c *counter) ([]logql.Series, error) {
	if part := c.partsOf(); part > 0 {
		return s.countParts(ctx, c, part)
	}
	return s.countRows(ctx, c)
}

// countRows looks at every row; countParts gives the same result for simple queries.
func (s *Searcher) countRows(ctx context.Context, c *counter) ([]logql.Series, error) {
	text, want := c.columns()
	readers := make([]countReader, engine.Workers())
	for i := range readers {
		readers[i] = countReader{c: c, series: map[string]*tally{}}
		readers[i].rows.row.Want = want
	}
	q := engine.Query{Text: text, From: c.from(), To: c.to()}
	err := s.engine.Blocks(ctx, q, func(worker int, b *logstorage.DataBlock) error { return readers[worker].read(b) })
	if err != nil {
		return nil, err
	}
	return c.result(readers), nil
}

// columns adds the needed fields to the filter and returns the labels that parsers must extract.
func (c *counter) columns() (text string, want map[string]bool) {
	line := c.wantsBytes()
	names := slices.Clone(c.fold.By)
	all := c.fold.Without
	for _, s := range c.plan.rest.Stages {
		switch s := s.(type) {
		case *logql.LineFilter:
			line = true
		case *logql.ParseStage:
			line = true
		case *logql.LabelFilter:
			names = appendNames(names, s.Cond)
		case *logql.DropStage:
			for _, m := range s.Items {
				names = append(names, m.Name)
			}
		}
	}
	fields := []string{rows.FieldTime, rows.FieldStream, rows.FieldRest}
	if line {
		fields = append(fields, rows.FieldLine)
	}
	if all {
		if line {
			return c.plan.filter, nil
		}
		return c.plan.filter + " | delete " + engine.Quote(rows.FieldLine), nil
	}
	want = map[string]bool{}
	for _, n := range names {
		want[n] = true
		if !strings.HasPrefix(n, "_") && !slices.Contains(fields, n) {
			fields = append(fields, n)
		}
	}
	for i, f := range fields {
		fields[i] = engine.Quote(f)
	}
	return c.plan.filter + " | fields " + strings.Join(fields, ", "), want
}

func appendNames(to []string, c logql.Cond) []string {
	switch c := c.(type) {
	case *logql.Matcher:
		return append(to, c.Name)
	case *logql.Compare:
		return append(to, c.Name)
	case *logql.Logic:
		return appendNames(appendNames(to, c.L), c.R)
	}
	return to
}

func (c *counter) wantsBytes() bool {
	return c.expr.Func == "bytes_over_time" || c.expr.Func == "bytes_rate"
}

// A countReader is a worker's state.
type countReader struct {
	c      *counter
	rows   rowReader
	series map[string]*tally
	key    []byte
	labels []logql.Label
	kept   []logql.Label
}

func (r *countReader) read(b *logstorage.DataBlock) error {
	return r.rows.each(b, func(ns int64, row *logql.Row) error {
		if !r.c.plan.rest.Process(row) {
			return nil
		}
		first, last, ok := r.c.window(ns)
		if !ok {
			return nil
		}
		if row.Err() != "" && (!r.c.preserve || row.Err() != logql.ParserError) {
			return pipelineError(row)
		}
		t, err := r.tally(row)
		if err != nil {
			return err
		}
		t.add(first, last, 1, int64(len(row.Line)))
		return nil
	})
}

// add counts rows into the windows of steps first to last.
func (t *tally) add(first, last int, rows, bytes int64) {
	t.n[first] += rows
	t.n[last+1] -= rows
	if t.bytes != nil {
		t.bytes[first] += bytes
		t.bytes[last+1] -= bytes
	}
}

// window returns the first and last step whose windows contain ns.
func (c *counter) window(ns int64) (first, last int, ok bool) {
	step := max(c.steps.Step, 1)
	if d := ns - c.steps.Start; d > 0 {
		first = int((d + step - 1) / step)
	}
	d := ns + int64(c.expr.Range) - 1 - c.steps.Start
	if d < 0 || first >= c.steps.Count {
		return 0, 0, false
	}
	last = min(int(d/step), c.steps.Count-1)
	return first, last, first <= last
}

func (r *countReader) tally(row *logql.Row) (*tally, error) {
	r.kept = r.kept[:0]
	if r.c.fold.Without {
		r.labels = row.AppendLabels(r.labels[:0])
		r.kept = r.c.fold.Labels(r.kept, r.labels)
	} else {
		for _, n := range r.c.fold.By { // sorted
			if v, ok := row.Get(n); ok && v != "" {
				r.kept = append(r.kept, logql.Label{Name: n, Value: v})
			}
		}
	}
	r.key = logql.AppendKey(r.key[:0], r.kept)
	if t, ok := r.series[string(r.key)]; ok {
		return t, nil
	}
	t, err := r.c.newTally(string(r.key), r.kept)
	if err == nil {
		r.series[string(r.key)] = t
	}
	return t, err
}

// newTally enforces the limits on series and memory.
func (c *counter) newTally(key string, labels []logql.Label) (*tally, error) {
	c.mu.Lock()
	c.seen[key] = true
	series := len(c.seen)
	c.mu.Unlock()
	if series > c.maxSeries {
		return nil, logql.EvalErrorf("maximum of series (%d) reached for a single query; aggregate over fewer labels, "+
			"for example with sum by (%s) (...)", c.maxSeries, rows.LabelService)
	}
	n := int64(c.steps.Count + 1)
	t := &tally{labels: cloneLabels(labels), n: make([]int64, n)}
	if c.wantsBytes() {
		t.bytes = make([]int64, n)
		n *= 2
	}
	if c.cells.Add(n) > c.maxCells {
		return nil, logql.EvalErrorf("the query needs more than %d counters (series times steps); use a longer step, "+
			"or aggregate more", c.maxCells)
	}
	return t, nil
}

// result merges the workers' counts.
func (c *counter) result(readers []countReader) []logql.Series {
	total := readers[0].series
	for _, r := range readers[1:] {
		for key, t := range r.series {
			sum, ok := total[key]
			if !ok {
				total[key] = t
				continue
			}
			for i := range t.n {
				sum.n[i] += t.n[i]
			}
			for i := range t.bytes {
				sum.bytes[i] += t.bytes[i]
			}
		}
	}
	keys := make([]string, 0, len(total))
	for key := range total {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, cmp.Compare)
	out := make([]logql.Series, 0, len(keys))
	for _, key := range keys {
		out = append(out, logql.Series{Labels: total[key].labels, Values: c.values(total[key])})
	}
	return out
}

// values integrates the differences. A step without rows has no value.
func (c *counter) values(t *tally) []float64 {
	out := make([]float64, c.steps.Count)
	var n, bytes int64
	for i := range out {
		n += t.n[i]
		v := float64(n)
		if t.bytes != nil {
			bytes += t.bytes[i]
			v = float64(bytes)
		}
		switch {
		case n == 0:
			v = logql.Absent()
		case c.expr.Func == "rate" || c.expr.Func == "bytes_rate":
			v /= c.expr.Range.Seconds()
		}
		out[i] = v
	}
	return out
}

// pipelineError is Loki's error for rows that a stage could not process.
func pipelineError(row *logql.Row) error {
	labels := row.AppendLabels(nil)
	parts := make([]string, len(labels))
	for i, l := range labels {
		parts[i] = l.Name + "=" + engine.Quote(l.Value)
	}
	return logql.EvalErrorf("pipeline error: '%s' for series: '{%s}'.\nUse a label filter to intentionally skip this error. "+
		"(e.g | __error__!=\"%s\").", row.Err(), strings.Join(parts, ", "), row.Err())
}
