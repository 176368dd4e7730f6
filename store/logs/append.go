package logs

import (
	"context"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/logs/rows"
)

const retryAfter = time.Second

// Append stores a batch; after nil it survives a crash of the process. Records that cannot be stored are rejected by
// reason; the rest are stored.
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
	seq, err := s.wal.Append(received, b.Request, rows.MaxChunks(len(b.Request)))
	if err != nil {
		return pipeline.Refuse(retryAfter, fmt.Errorf("cannot store logs: %w", err))
	}
	e := s.encoders.Get().(*rows.Encoder)
	e.Begin(seq, received, s.oldest(received))
	e.Request(b.Request)
	e.End()
	answer := s.teller.Answer(b.Items, &e.Rejects)
	s.settings.Delivered(pipeline.Logs, b.Items-e.Rejects.Items(), len(b.Request)-e.Rejects.Bytes())
	s.encoders.Put(e)
	if _, size := s.wal.State(); size >= s.options.CheckpointBytes {
		s.checkpointSoon()
	}
	return answer
}

// oldest is the oldest accepted time: within retention, and after the days removed to free space, whose rows the
// library would accept but not find.
func (s *Store) oldest(received int64) int64 {
	return max(received-int64(s.options.Retention), s.removed.Load())
}

func (s *Store) checkpointSoon() {
	select {
	case s.due <- struct{}{}:
	default: // asked for already
	}
}

func (s *Store) newEncoder() *rows.Encoder { return rows.NewEncoder(s.names, s.put) }

// put passes rows to the library. It first marks the days dirty, or a concurrent checkpoint could lose one.
func (s *Store) put(chunk *logstorage.LogRows, days []int64) {
	s.mu.Lock()
	for _, d := range days {
		s.dirty[d] = true
	}
	s.mu.Unlock()
	s.engine.MustAddRows(chunk)
	s.unseen.Store(true)
}
