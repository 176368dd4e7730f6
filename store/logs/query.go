package logs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// A libraryQuery is a query in the library's own language (LogsQL) over times from <= t <= to. Its text is only ever
// put together from constants and from strings that went through quote.
type libraryQuery struct {
	text     string
	from, to int64
}

// quote writes a string so that the library's query language takes it as that string and nothing else.
func quote(s string) string { return strconv.Quote(s) }

// blocks runs a query and calls f with each block of rows. Calls of the same worker, of which there are workers(),
// never overlap. The block is the library's again when f returns. An error of f ends the query.
func (s *Store) blocks(ctx context.Context, q libraryQuery, f func(worker int, b *logstorage.DataBlock) error) error {
	parsed, err := logstorage.ParseQuery(q.text)
	if err != nil {
		return fmt.Errorf("BUG: the library does not read %s: %w", q.text, err)
	}
	parsed.AddTimeFilter(q.from, q.to)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var stats logstorage.QueryStats
	qctx := logstorage.NewQueryContext(ctx, &stats, []logstorage.TenantID{{}}, parsed, false, nil)
	err = s.lib.RunQuery(qctx, func(worker uint, b *logstorage.DataBlock) {
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

// each calls f with every row of a query, one after the other. It is for small results.
func (s *Store) each(ctx context.Context, q libraryQuery, f func(row map[string]string) error) error {
	var mu sync.Mutex
	return s.blocks(ctx, q, func(_ int, b *logstorage.DataBlock) error {
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

// flushPause is the least time between two flushes for queries. Rows that come in between are seen within a second,
// by the library's own timer.
const flushPause = 200 * time.Millisecond

// show makes rows that were appended before visible to queries.
func (s *Store) show() {
	if !s.unseen.Load() {
		return
	}
	s.mu.Lock()
	soon := time.Since(s.flushed) < flushPause
	if !soon {
		s.flushed = time.Now()
	}
	s.mu.Unlock()
	if !soon && s.unseen.Swap(false) {
		s.lib.DebugFlush()
	}
}
