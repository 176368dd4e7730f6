package search

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/logql"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// maxStreams bounds what a question about streams holds in memory.
const maxStreams = 100_000

// Streams returns the labels of the streams that any of the selectors selects and that have rows in the range.
func (s *Searcher) Streams(ctx context.Context, selectors []logql.Selector, from, to int64) ([][]logql.Label, error) {
	if len(selectors) == 0 {
		selectors = []logql.Selector{nil}
	}
	found := map[string][]logql.Label{}
	for _, sel := range selectors {
		p := newPlan(&logql.LogExpr{Selector: sel}, true)
		q := engine.Query{Text: p.filter + " | uniq by (_stream)", From: from, To: to}
		err := s.engine.Each(ctx, q, func(row map[string]string) error {
			labels := parseStream(row[rows.FieldStream])
			if p.selects(labels) {
				found[row[rows.FieldStream]] = labels
			}
			if len(found) > maxStreams {
				return logql.EvalErrorf("more than %d streams; select fewer, or a shorter range", maxStreams)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return slices.Collect(maps.Values(found)), nil
}

// selects runs what the library did not decide over the labels of a stream.
func (p plan) selects(labels []logql.Label) bool {
	var row logql.Row
	row.Reset("", labels)
	return p.rest.Process(&row)
}

// Sizes calls f for each stream and part.
func (s *Searcher) Sizes(ctx context.Context, q logql.SizeQuery, f func(logql.StreamSize)) error {
	if q.Step > maxPart {
		return logql.EvalErrorf("step must not be longer than %v", time.Duration(maxPart))
	}
	p := newPlan(&logql.LogExpr{Selector: q.Selector}, true)
	by := rows.FieldStream
	if q.Step > 0 {
		by += ", " + timeParts(q.From, q.Step)
	}
	lq := engine.Query{
		Text: p.filter + " | stats by (" + by + ") count() rows, sum_len(" + rows.FieldLine + ") bytes",
		From: q.From, To: q.To,
	}
	n := 0
	return s.engine.Each(ctx, lq, func(row map[string]string) error {
		if n++; n > maxStreams {
			return logql.EvalErrorf("more than %d streams; select fewer, or a shorter range", maxStreams)
		}
		z := logql.StreamSize{Labels: parseStream(row[rows.FieldStream])}
		if !p.selects(z.Labels) {
			return nil
		}
		z.Rows, _ = strconv.ParseUint(row["rows"], 10, 64) // what the library counted is a number
		z.Bytes, _ = strconv.ParseUint(row["bytes"], 10, 64)
		if q.Step > 0 {
			at, err := time.Parse(time.RFC3339Nano, row[rows.FieldTime])
			if err != nil {
				return fmt.Errorf("cannot read the time of a part: %w", err)
			}
			z.Part = int((at.UnixNano() - q.From) / q.Step)
		}
		f(z)
		return nil
	})
}
