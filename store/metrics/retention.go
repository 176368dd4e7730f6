package metrics

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/tsdb"
)

// doomed are the blocks that the TSDB shall delete.
type doomed struct {
	mu     sync.Mutex
	blocks map[ulid.ULID]bool
}

func (d *doomed) add(id ulid.ULID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.blocks == nil {
		d.blocks = map[ulid.ULID]bool{}
	}
	d.blocks[id] = true
}

// blocksToDelete adds the doomed blocks to the TSDB's own choice.
func (s *Store) blocksToDelete(blocks []*tsdb.Block) map[ulid.ULID]struct{} {
	s.doomed.mu.Lock()
	defer s.doomed.mu.Unlock()
	out := map[ulid.ULID]struct{}{}
	if s.db != nil { // nil during tsdb.Open, which already calls this
		out = tsdb.DefaultBlocksToDelete(s.db)(blocks)
	}
	there := map[ulid.ULID]bool{}
	for _, b := range blocks {
		id := b.Meta().ULID
		there[id] = true
		if s.doomed.blocks[id] {
			out[id] = struct{}{}
		}
	}
	for id := range s.doomed.blocks {
		if !there[id] {
			delete(s.doomed.blocks, id)
		}
	}
	return out
}

// DropOldest deletes the oldest block and waits until its files are gone (about ten seconds). It returns the zero
// time if only the head is left, the last two to three hours, which cannot be deleted in parts. A head without samples
// for lateWindow, as when intake is refused, first becomes a block.
func (s *Store) DropOldest(ctx context.Context) (freedThrough time.Time, err error) {
	blocks := s.db.Blocks()
	if len(blocks) == 0 {
		if err := s.cutIdleHead(ctx); err != nil {
			return time.Time{}, fmt.Errorf("cannot make a block of the samples in memory: %w", err)
		}
		blocks = s.db.Blocks()
	}
	if len(blocks) == 0 {
		return time.Time{}, nil
	}
	oldest := blocks[0].Meta() // sorted by time
	s.doomed.add(oldest.ULID)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for s.has(oldest.ULID) {
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("cannot wait for block %s to be deleted: %w", oldest.ULID, context.Cause(ctx))
		case <-tick.C:
		}
	}
	s.settings.Log.Info("deleted the oldest block to stay within the disk budget", "block", oldest.ULID,
		"from", timestamp.Time(oldest.MinTime), "to", timestamp.Time(oldest.MaxTime), "series", oldest.Stats.NumSeries)
	return timestamp.Time(oldest.MaxTime), nil
}

// cutIdleHead makes a block of a head that gets no samples any more. Nobody appends meanwhile: a late sample could fall between
// the block and the head.
func (s *Store) cutIdleHead(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	head := s.db.Head()
	if s.closed || head.NumSeries() == 0 || time.Since(timestamp.Time(head.MaxTime())) <= lateWindow {
		return nil
	}
	head.WaitForAppendersOverlapping(head.MaxTime())
	return s.db.CompactHead(tsdb.NewRangeHead(head, head.MinTime(), head.MaxTime()))
}

// has also looks for files: the TSDB renames a block before it deletes it.
func (s *Store) has(id ulid.ULID) bool {
	for _, b := range s.db.Blocks() {
		if b.Meta().ULID == id {
			return true
		}
	}
	left, err := filepath.Glob(filepath.Join(s.dir, id.String()+"*"))
	return err != nil || len(left) > 0
}
