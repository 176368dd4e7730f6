package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// A Query is a query in LogsQL over times From <= t <= To, in nanoseconds. Its text is only ever put together from
// constants and from strings that went through Quote.
type Query struct {
	Text     string
	From, To int64
}

// Quote writes a string so that the library's query language takes it as that string and nothing else.
func Quote(s string) string { return strconv.Quote(s) }

// Blocks runs a query and calls f with each block of rows. Calls of the same worker, of which there are Workers(),
// never overlap. The block is the library's again when f returns. An error of f ends the query.
func (e Engine) Blocks(ctx context.Context, q Query, f func(worker int, b *logstorage.DataBlock) error) error {
	parsed, err := logstorage.ParseQuery(q.Text)
	if err != nil {
		return fmt.Errorf("BUG: the library does not read %s: %w", q.Text, err)
	}
	parsed.AddTimeFilter(q.From, q.To)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var stats logstorage.QueryStats
	qctx := logstorage.NewQueryContext(ctx, &stats, []logstorage.TenantID{{}}, parsed, false, nil)
	err = e.RunQuery(qctx, func(worker uint, b *logstorage.DataBlock) {
		if ctx.Err() != nil {
			return
		}
		if err := f(int(worker), b); err != nil {
			cancel(err)
		}
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// Each calls f with every row of a query, one after the other. It is for small results.
func (e Engine) Each(ctx context.Context, q Query, f func(row map[string]string) error) error {
	var mu sync.Mutex
	return e.Blocks(ctx, q, func(_ int, b *logstorage.DataBlock) error {
		mu.Lock()
		defer mu.Unlock()
		columns := b.GetColumns(false)
		for i := range b.RowsCount() {
			row := make(map[string]string, len(columns))
			for _, c := range columns {
				row[strings.Clone(c.Name)] = strings.Clone(c.Values[i])
			}
			if err := f(row); err != nil {
				return err
			}
		}
		return nil
	})
}
