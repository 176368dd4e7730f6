package logs

import (
	"context"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// retryAfter is what callers are told to wait when the disk does not take their bytes.
const retryAfter = time.Second

// Append stores the records of a batch. Nil means that they survive the process; those that
// cannot be kept are rejected by reason, and their neighbours stored.
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

// oldest is the time before which records of a request are not kept: older than the retention, or of a day that was
// removed to make room. The library would take the latter and then not find them.
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

// put gives rows to the library. The days are noted first: a checkpoint that misses one would lose it.
func (s *Store) put(chunk *logstorage.LogRows, days []int64) {
	s.mu.Lock()
	for _, d := range days {
		s.dirty[d] = true
	}
	s.mu.Unlock()
	s.engine.MustAddRows(chunk)
	s.unseen.Store(true)
}
