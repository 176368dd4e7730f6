package logs

import (
	"context"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/sluiceio/sluice/pipeline"
)

// retryAfter is what callers are told to wait when the disk does not take their bytes.
const retryAfter = time.Second

// Append stores the records of a batch. Nil means that they survive the process; rows that the library would drop in
// silence are counted by reason instead, and their neighbours stored.
func (s *Store) Append(ctx context.Context, b pipeline.Batch) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return pipeline.Refuse(0, errClosed)
	}
	if ctx.Err() != nil {
		return pipeline.Withdrawn(ctx)
	}
	received := time.Now().UnixNano()
	seq, err := s.wal.append(received, b.Request)
	if err != nil {
		return pipeline.Refuse(retryAfter, fmt.Errorf("cannot store logs: %w", err))
	}
	e := s.encoders.Get().(*encoder)
	e.begin(seq, received, s.options.Retention)
	e.request(b.Request)
	e.end()
	items, size := b.Items, len(b.Request)
	for kind, d := range e.drops {
		if d.items > 0 {
			s.settings.Drop(dropReasons[kind], pipeline.Logs, d.items, d.bytes)
			items, size = items-d.items, size-d.bytes
		}
	}
	s.encoders.Put(e)
	s.settings.Delivered(pipeline.Logs, items, size)
	if _, size := s.wal.state(); size >= s.options.CheckpointBytes {
		s.checkpointSoon()
	}
	return nil
}

func (s *Store) checkpointSoon() {
	select {
	case s.due <- struct{}{}:
	default: // asked for already
	}
}

func (s *Store) newEncoder() *encoder {
	return &encoder{names: s.names, put: s.put}
}

// put gives rows to the library. The days are noted first: a checkpoint that misses one would lose it.
func (s *Store) put(rows *logstorage.LogRows, days []int64) {
	s.mu.Lock()
	for _, d := range days {
		s.dirty[d] = true
	}
	s.mu.Unlock()
	s.lib.MustAddRows(rows)
	s.unseen.Store(true)
}
