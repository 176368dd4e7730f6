package search

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/logql"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// Limits on the parts; the library uses floats for their length.
const (
	maxParts = 20_000
	maxPart  = 1 << 53
)

// partsOf returns a part length in ns that divides all windows, so that the library can count parts without touching
// rows, ten times cheaper. It is 0 if stages are left, or a label is not always a field.
func (c *counter) partsOf() int64 {
	if len(c.plan.rest.Stages) > 0 || c.fold.Without {
		return 0
	}
	for _, label := range c.fold.By {
		if !c.plan.isField(label) {
			return 0
		}
	}
	part := int64(c.expr.Range)
	if c.steps.Count > 1 {
		part = gcd(part, c.steps.Step)
	}
	if part > maxPart || (int64(c.expr.Range)+c.steps.Step*int64(c.steps.Count))/part > maxParts {
		return 0
	}
	return part
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// timeParts groups by parts, one of which begins at from. The library adds the offset and cuts at multiples.
func timeParts(from, part int64) string {
	return fmt.Sprintf("_time:%dns offset %dns", part, ((-from%part)+part)%part)
}

// countParts lets the library count, and treats the rows of a part as if at its end.
func (s *Searcher) countParts(ctx context.Context, c *counter, part int64) ([]logql.Series, error) {
	q := engine.Query{From: c.from(), To: c.to()}
	var by strings.Builder
	for _, label := range c.fold.By {
		by.WriteString(engine.Quote(label) + ", ")
	}
	by.WriteString(timeParts(q.From, part))
	q.Text = c.plan.filter + " | stats by (" + by.String() + ") count() rows"
	if c.wantsBytes() {
		q.Text += ", sum_len(" + rows.FieldLine + ") bytes"
	}
	r := countReader{c: c, series: map[string]*tally{}}
	var row logql.Row
	err := s.engine.Each(ctx, q, func(found map[string]string) error {
		at, err := time.Parse(time.RFC3339Nano, found[rows.FieldTime])
		if err != nil {
			return fmt.Errorf("cannot read the time of a part: %w", err)
		}
		first, last, ok := c.window(at.UnixNano() + part - 1)
		if !ok {
			return nil
		}
		row.Reset("", nil)
		for _, label := range c.fold.By {
			row.AddMeta(label, found[label])
		}
		t, err := r.tally(&row)
		if err != nil {
			return err
		}
		rows, _ := strconv.ParseInt(found["rows"], 10, 64) // what the library counted is a number
		bytes, _ := strconv.ParseInt(found["bytes"], 10, 64)
		t.add(first, last, rows, bytes)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c.result([]countReader{r}), nil
}
