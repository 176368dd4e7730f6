package logs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/fs"
	"github.com/sluiceio/sluice/internal/statefile"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// DiskBytes is the size on disk.
func (s *Store) DiskBytes() int64 {
	_, size := s.wal.State()
	aside, _ := s.setAsideBytes()
	size += aside
	st, ok := s.stats()
	if !ok {
		return size
	}
	return size + int64(st.IndexdbSizeBytes+st.CompressedSmallPartSize+st.CompressedBigPartSize)
}

// Oldest is the time of the oldest row, or of the oldest day that is set aside.
func (s *Store) Oldest() (time.Time, bool) {
	rows, found := s.oldestRow()
	if _, aside := s.setAsideBytes(); !aside.IsZero() && (!found || aside.Before(rows)) {
		return aside, true
	}
	return rows, found
}

func (s *Store) oldestRow() (time.Time, bool) {
	st, ok := s.stats()
	if !ok || st.MinTimestamp == math.MinInt64 || st.MinTimestamp == math.MaxInt64 {
		return time.Time{}, false
	}
	return time.Unix(0, st.MinTimestamp), true
}

func (s *Store) stats() (logstorage.StorageStats, bool) {
	var st logstorage.StorageStats
	s.gate.RLock() // not reads: metrics must not wait for a query that DropOldest waits for
	defer s.gate.RUnlock()
	if s.closed {
		return st, false
	}
	if _, err := os.Stat(s.partitions()); err != nil {
		return st, false // the library would look up the disk space of the missing folder and end the process
	}
	s.engine.UpdateStats(&st)
	return st, true
}

// DropOldest removes the oldest day, first of those set aside, and returns its end, or the zero time if only today (UTC) is
// left, which is still being written. It flushes the write-ahead log first, so that a restart does not restore the day, and waits for
// running queries.
func (s *Store) DropOldest(ctx context.Context) (time.Time, error) {
	if end, err := s.dropAside(time.Now().AddDate(0, 0, 1)); err != nil || !end.IsZero() {
		return end, err
	}
	today := rows.DayOf(time.Now().UnixNano())
	if oldest, ok := s.oldestRow(); ok && rows.DayOf(oldest.UnixNano()) >= today {
		return time.Time{}, ctx.Err() // without waiting for queries
	}
	s.reads.Lock()
	defer s.reads.Unlock()
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return time.Time{}, errClosed
	}
	days := s.engine.PartitionList()
	if len(days) == 0 {
		return time.Time{}, ctx.Err()
	}
	day, ok := rows.ParseDay(days[0])
	if !ok {
		return time.Time{}, fmt.Errorf("cannot remove the oldest logs: the folder %s is no day", days[0])
	}
	if day >= today {
		return time.Time{}, ctx.Err()
	}
	if err := s.checkpointLocked(); err != nil {
		return time.Time{}, fmt.Errorf("cannot remove the oldest logs: %w", err)
	}
	if err := s.setRemoved((day + 1) * rows.NsPerDay); err != nil {
		return time.Time{}, fmt.Errorf("cannot remove the oldest logs: %w", err)
	}
	if err := s.engine.PartitionDetach(days[0]); err != nil {
		return time.Time{}, fmt.Errorf("cannot remove the oldest logs: %w", err)
	}
	fs.MustRemoveDir(filepath.Join(s.dir, "data", "partitions", days[0]))
	s.names.Forget(day + 1)
	return time.Unix(0, (day+1)*rows.NsPerDay).UTC(), nil
}

// removedFile holds the time up to which days were removed to free space. Older rows are too old: the library still
// has their streams as registered, so queries would not find them.
const removedFile = "removed_until"

func (s *Store) readRemoved() error {
	text, err := os.ReadFile(filepath.Join(s.dir, removedFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var at time.Time
	if err == nil {
		at, err = time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	}
	if err != nil {
		return fmt.Errorf("cannot read which logs were removed: %w", err)
	}
	s.removed.Store(at.UnixNano())
	return nil
}

func (s *Store) setRemoved(ns int64) error {
	s.removed.Store(ns)
	return statefile.Replace(filepath.Join(s.dir, removedFile), []byte(time.Unix(0, ns).UTC().Format(time.RFC3339)+"\n"))
}
