package search

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/logql"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// A block is rows of one stream. Only its labels may be kept.
type block struct {
	labels []logql.Label // those that were asked for, by name
	again  bool          // the worker's block before had the same
	*logstorage.DataBlock
}

// A blockReader finds the labels of blocks. Each worker has one.
type blockReader struct {
	names    []string // of the labels that are wanted
	plan     plan
	key      []byte // of what the last block had
	labels   []logql.Label
	selected bool
}

// read parses a block's labels, and reports whether they are selected and the same as before.
func (r *blockReader) read(b *logstorage.DataBlock) (selected, again bool) {
	var named string
	if c := b.GetColumnByName(rows.FieldLabels); c != nil {
		named = c.Values[0]
	}
	size := len(r.key)
	r.key = append(append(r.key, named...), 0)
	for _, name := range r.names {
		if c := b.GetColumnByName(name); c != nil && rows.IsNamed(named, name) {
			r.key = append(r.key, c.Values[0]...)
		}
		r.key = append(r.key, 0)
	}
	now := r.key[size:]
	again = string(now) == string(r.key[:size])
	r.key = append(r.key[:0], now...)
	if again {
		return r.selected, true
	}
	r.labels = nil
	for _, name := range r.names {
		if c := b.GetColumnByName(name); c != nil && c.Values[0] != "" && rows.IsNamed(named, name) {
			r.labels = append(r.labels, logql.Label{Name: name, Value: strings.Clone(c.Values[0])})
		}
	}
	r.selected = r.plan.selects(r.labels)
	return r.selected, false
}

// eachBlock calls f with the blocks of a selection, one at a time. A stream has many, in no order. eachBlock keeps
// nothing a stream, so there may be millions.
func (s *Searcher) eachBlock(ctx context.Context, sel logql.Selector, ask blockQuery, f func(b block) error) error {
	p := newPlan(&logql.LogExpr{Selector: sel}, true)
	names := slices.Clone(ask.labels)
	for _, stage := range p.rest.Stages { // what a selector has left to do
		names = appendNames(names, stage.(*logql.LabelFilter).Cond)
	}
	known := rows.StreamLabels()
	names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(known, name) })
	slices.Sort(names)
	names = slices.Compact(names)
	fields := append([]string{rows.FieldLabels}, ask.fields...)
	for _, name := range names {
		fields = append(fields, engine.Quote(name))
	}
	workers := make([]blockReader, engine.Workers())
	for i := range workers {
		workers[i] = blockReader{names: names, plan: p}
	}
	var mu sync.Mutex
	q := engine.Query{Text: p.filter + " | fields " + strings.Join(fields, ", "), From: ask.from, To: ask.to}
	return s.engine.Blocks(ctx, q, func(worker int, b *logstorage.DataBlock) error {
		w := &workers[worker]
		selected, again := w.read(b)
		if !selected {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		return f(block{w.labels, again, b})
	})
}

// A blockQuery says which labels and fields are wanted.
type blockQuery struct {
	labels, fields []string
	from, to       int64
}

// selects runs the remaining stages over a stream's labels.
func (p plan) selects(labels []logql.Label) bool {
	if len(p.rest.Stages) == 0 {
		return true
	}
	var row logql.Row
	row.Reset("", labels)
	return p.rest.Process(&row)
}

// eachStream calls f with the labels of streams, possibly repeated.
func (s *Searcher) eachStream(ctx context.Context, q logql.StreamQuery, labels []string, f func(b block) error) error {
	selectors := q.Selectors
	if len(selectors) == 0 {
		selectors = []logql.Selector{nil}
	}
	for _, sel := range selectors {
		err := s.eachBlock(ctx, sel, blockQuery{labels: labels, from: q.From, to: q.To}, func(b block) error {
			if b.again {
				return nil
			}
			return f(b)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Streams returns the labels of all streams.
func (s *Searcher) Streams(ctx context.Context, q logql.StreamQuery) ([][]logql.Label, error) {
	found := map[string][]logql.Label{}
	size := int64(0)
	var key []byte
	err := s.eachStream(ctx, q, rows.StreamLabels(), func(b block) error {
		key = logql.AppendKey(key[:0], b.labels)
		if _, known := found[string(key)]; known {
			return nil
		}
		found[string(key)] = b.labels
		size += int64(len(key)) + sizeOf(b.labels)
		return s.fits(size, "the labels of the streams")
	})
	return slices.Collect(maps.Values(found)), err
}

func (s *Searcher) fits(size int64, what string) error {
	if size > s.limits.ResultBytes {
		return logql.EvalErrorf("%s need more than %d bytes; select fewer streams, or a shorter range", what, s.limits.ResultBytes)
	}
	return nil
}

// LabelNames returns the stream labels, sorted.
func (s *Searcher) LabelNames(ctx context.Context, q logql.StreamQuery) ([]string, error) {
	found := map[string]bool{}
	err := s.eachStream(ctx, q, nil, func(b block) error {
		if c := b.GetColumnByName(rows.FieldLabels); c != nil {
			for name := range strings.SplitSeq(c.Values[0], ",") {
				if !found[name] {
					found[strings.Clone(name)] = true
				}
			}
		}
		return nil
	})
	return slices.Sorted(maps.Keys(found)), err
}

// LabelValues returns the values of a stream label, sorted.
func (s *Searcher) LabelValues(ctx context.Context, q logql.StreamQuery, name string) ([]string, error) {
	found := map[string]bool{}
	if !slices.Contains(rows.StreamLabels(), name) {
		return nil, nil
	}
	size := int64(0)
	err := s.eachStream(ctx, q, []string{name}, func(b block) error {
		for _, l := range b.labels {
			if l.Name == name && !found[l.Value] {
				found[l.Value] = true
				size += int64(len(l.Value)) + stringBytes
			}
		}
		return s.fits(size, "the values of "+name)
	})
	return slices.Sorted(maps.Keys(found)), err
}

const stringBytes = 16 // of a string beside its text

// Sizes calls f with partial sums, possibly several a stream and part, one at a time.
func (s *Searcher) Sizes(ctx context.Context, q logql.SizeQuery, f func(logql.StreamSize) error) error {
	if q.Step > maxPart {
		return logql.EvalErrorf("step must not be longer than %v", time.Duration(maxPart))
	}
	ask := blockQuery{labels: q.Labels, fields: []string{rows.FieldStreamID, rows.FieldLine}, from: q.From, to: q.To}
	if q.Step > 0 {
		ask.fields = append(ask.fields, rows.FieldTime)
	}
	if q.Labels == nil {
		ask.labels = rows.StreamLabels()
	}
	var times []int64
	return s.eachBlock(ctx, q.Selector, ask, func(b block) error {
		z := logql.StreamSize{Stream: b.GetColumnByName(rows.FieldStreamID).Values[0], Labels: b.labels}
		var lines []string
		if c := b.GetColumnByName(rows.FieldLine); c != nil { // else all are empty
			lines = c.Values
		}
		if q.Step > 0 {
			var ok bool
			if times, ok = b.GetTimestamps(times[:0]); !ok {
				return errNoTime
			}
		}
		for i := range b.RowsCount() {
			if q.Step > 0 {
				part := int((times[i] - q.From) / q.Step)
				if part != z.Part && z.Rows > 0 {
					if err := f(z); err != nil {
						return err
					}
					z.Rows, z.Bytes = 0, 0
				}
				z.Part = part
			}
			z.Rows++
			z.Bytes += uint64(len(at(lines, i)))
		}
		return f(z)
	})
}
