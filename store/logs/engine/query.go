package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// A Query is a LogsQL query over From <= t <= To, in ns. Text consists of constants and quoted strings only.
type Query struct {
	Text     string
	From, To int64
}

// Quote quotes a string for LogsQL.
func Quote(s string) string { return strconv.Quote(s) }

// Blocks calls f with each block of rows, in Workers() goroutines. f may use a block until it returns; its error ends
// the query.
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

// Each calls f with each row, one at a time. It is for small results.
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
