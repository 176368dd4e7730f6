package logs

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"

	"github.com/sluiceio/sluice/store/logs/engine"
	"github.com/sluiceio/sluice/store/logs/rows"
	"github.com/sluiceio/sluice/store/logs/wal"
)

// restore deletes leftover snapshots, replays the write-ahead log and empties it.
func (s *Store) restore() error {
	for _, path := range s.engine.PartitionSnapshotList() {
		if err := s.engine.PartitionSnapshotDelete(path); err != nil {
			return fmt.Errorf("cannot remove a snapshot: %w", err)
		}
	}
	w, segments, err := wal.Open(filepath.Join(s.dir, "wal"))
	if err != nil {
		return err
	}
	s.wal = w
	left, err := s.survey(segments)
	if err != nil {
		return err
	}
	w.SkipTo(left.last)
	if left.records > 0 {
		if err := s.replay(segments, left); err != nil {
			return err
		}
		if err := s.persist(); err != nil {
			return err
		}
	}
	if err := s.heal(left.days); err != nil {
		return err
	}
	return w.Restart()
}

// A survey is what the segments hold.
type survey struct {
	records     int
	first, last uint64 // range of chunk numbers, last excluded
	days        map[int64]bool
}

func (s *Store) survey(segments []string) (survey, error) {
	found := survey{first: math.MaxUint64, days: map[int64]bool{}}
	for _, path := range segments {
		damage, err := wal.ReadSegment(path, func(r wal.Record) error {
			found.records++
			found.first = min(found.first, r.First)
			found.last = max(found.last, r.First+rows.MaxChunks(len(r.Request)))
			rows.EachDay(r.Request, r.Received, s.oldest(r.Received), func(day int64) { found.days[day] = true })
			return nil
		})
		if err != nil {
			return found, err
		}
		s.metrics.damaged(damage)
		if damage.Torn > 0 || damage.Corrupt > 0 {
			s.log.Warn("the write-ahead log ends in an incomplete record, or has corrupt ones; they are skipped", "segment", filepath.Base(path),
				"bytes_cut", damage.Torn, "corrupt_records", damage.Corrupt)
		}
	}
	return found, nil
}

// replay adds missing chunks.
func (s *Store) replay(segments []string, left survey) error {
	type piece struct {
		seq uint64
		day int64
	}
	there := map[piece]bool{}
	for day := range left.days {
		seqs, err := s.seqsOn(day, left)
		if err != nil {
			return err
		}
		for _, seq := range seqs {
			there[piece{seq, day}] = true
		}
	}
	e := s.newEncoder()
	e.Skip = func(seq uint64, day int64) bool { return there[piece{seq, day}] }
	added := 0
	for _, path := range segments {
		if _, err := wal.ReadSegment(path, func(r wal.Record) error {
			e.Begin(r.First, r.Received, s.oldest(r.Received))
			e.Request(r.Request)
			added += e.Added()
			e.End()
			return nil
		}); err != nil {
			return err
		}
	}
	s.metrics.replayed.Add(float64(added))
	s.log.Info("replayed the write-ahead log", "requests", left.records, "rows", added)
	return nil
}

// seqsOn returns the surveyed chunks that have rows on that day.
func (s *Store) seqsOn(day int64, left survey) ([]uint64, error) {
	// The library compares numbers as floats, so widen the range.
	const slack = 1024
	lo, hi := left.first-min(left.first, slack), left.last+slack
	q := engine.Query{
		Text: fmt.Sprintf("%s:range[%d, %d] | uniq by (%s)", engine.Quote(rows.FieldSeq), lo, hi, engine.Quote(rows.FieldSeq)),
		From: day * rows.NsPerDay, To: (day+1)*rows.NsPerDay - 1,
	}
	var seqs []uint64
	err := s.engine.Each(s.running, q, func(row map[string]string) error {
		seq, err := strconv.ParseUint(row[rows.FieldSeq], 10, 64)
		if err != nil {
			return fmt.Errorf("cannot read the number %q of a row: %w", row[rows.FieldSeq], err)
		}
		if seq >= left.first && seq < left.last {
			seqs = append(seqs, seq)
		}
		return nil
	})
	return seqs, err
}
