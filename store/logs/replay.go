package logs

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"

	"github.com/sluiceio/sluice/wire"
)

// restore brings the library to where the last process was: it removes snapshots that a kill left, puts in what the
// write-ahead log has and the library has not, and empties the log.
func (s *Store) restore() error {
	for _, path := range s.lib.PartitionSnapshotList() {
		if err := s.lib.PartitionSnapshotDelete(path); err != nil {
			return fmt.Errorf("cannot remove a snapshot: %w", err)
		}
	}
	w, segments, err := openWAL(filepath.Join(s.dir, "wal"))
	if err != nil {
		return err
	}
	s.wal = w
	left, err := s.survey(segments)
	if err != nil {
		return err
	}
	w.next = max(w.next, left.last)
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
	return w.restart()
}

// A survey says what the segments hold.
type survey struct {
	records     int
	first, last uint64 // numbers of chunks: from the lowest to behind the highest
	days        map[int64]bool
}

// survey reads the segments once for the days on which their rows lie.
func (s *Store) survey(segments []string) (survey, error) {
	found := survey{first: math.MaxUint64, days: map[int64]bool{}}
	e := s.newEncoder()
	for _, path := range segments {
		damage, err := readSegment(path, func(r walRecord) error {
			found.records++
			found.first = min(found.first, r.seq)
			found.last = max(found.last, r.seq+maxChunks(len(r.request)))
			e.begin(r.seq, r.received, s.options.Retention)
			defer e.end()
			for rs := r.request.Resources(); rs.Next(); {
				for sc := rs.Scopes(); sc.Next(); {
					for it := sc.Items(); it.Next(); {
						l := wire.ParseLog(it.Bytes())
						if ns := e.timeOf(&l); ns >= e.oldest && ns <= e.newest {
							found.days[dayOf(ns)] = true
						}
					}
				}
			}
			return nil
		})
		if err != nil {
			return found, err
		}
		s.metrics.damaged(damage)
		if damage.torn > 0 || damage.corrupt > 0 {
			s.log.Warn("the write-ahead log has a piece that was not finished", "segment", filepath.Base(path),
				"bytes_cut", damage.torn, "corrupt_records", damage.corrupt)
		}
	}
	return found, nil
}

// replay adds the chunks that the library does not have.
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
	e.skip = func(seq uint64, day int64) bool { return there[piece{seq, day}] }
	rows := 0
	for _, path := range segments {
		if _, err := readSegment(path, func(r walRecord) error {
			e.begin(r.seq, r.received, s.options.Retention)
			e.request(r.request)
			rows += e.added
			e.end()
			return nil
		}); err != nil {
			return err
		}
	}
	s.metrics.replayed.Add(float64(rows))
	s.log.Info("put in what the last process had not written out", "requests", left.records, "rows", rows)
	return nil
}

// seqsOn returns the numbers of the chunks in the surveyed range that the library has rows of on that day.
func (s *Store) seqsOn(day int64, left survey) ([]uint64, error) {
	// The library compares numbers as floating point; the ends are taken a little wider.
	const slack = 1024
	lo, hi := left.first-min(left.first, slack), left.last+slack
	q := libraryQuery{
		text: fmt.Sprintf("%s:range[%d, %d] | uniq by (%s)", quote(fieldSeq), lo, hi, quote(fieldSeq)),
		from: day * nsPerDay, to: (day+1)*nsPerDay - 1,
	}
	var seqs []uint64
	err := s.each(s.running, q, func(row map[string]string) error {
		seq, err := strconv.ParseUint(row[fieldSeq], 10, 64)
		if err != nil {
			return fmt.Errorf("cannot read the number %q of a row: %w", row[fieldSeq], err)
		}
		if seq >= left.first && seq < left.last {
			seqs = append(seqs, seq)
		}
		return nil
	})
	return seqs, err
}
