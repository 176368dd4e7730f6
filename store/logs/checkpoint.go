package logs

import (
	"fmt"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// persistPause is between checks whether the library has written everything.
const persistPause = 10 * time.Millisecond

// checkpoint flushes the library to disk and empties the write-ahead log. It blocks appends.
func (s *Store) checkpoint() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return nil
	}
	return s.checkpointLocked()
}

func (s *Store) checkpointLocked() error {
	if records, _ := s.wal.State(); records == 0 && s.wal.Healthy() || s.orphaned.Load() {
		return nil
	}
	start := time.Now()
	if err := s.persist(); err != nil {
		return err
	}
	if err := s.wal.Restart(); err != nil {
		return err
	}
	s.metrics.checkpoint(time.Since(start))
	return nil
}

// persist waits until the library has no rows in memory. It deletes the snapshot, which is the library's only call
// that flushes at once. No appends meanwhile.
func (s *Store) persist() error {
	s.mu.Lock()
	days := s.dirty
	s.dirty = map[int64]bool{}
	s.mu.Unlock()
	for {
		s.engine.DebugFlush()
		for day := range days {
			for _, path := range s.engine.PartitionSnapshotMustCreate(rows.DayName(day)) {
				if err := s.engine.PartitionSnapshotDelete(path); err != nil {
					return fmt.Errorf("cannot remove a snapshot: %w", err)
				}
			}
		}
		var st logstorage.StorageStats
		s.engine.UpdateStats(&st)
		if st.InmemoryRowsCount == 0 {
			return nil
		}
		time.Sleep(persistPause)
	}
}
