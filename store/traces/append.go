package traces

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime/debug"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/traces/traceql"
)

// Append stores a batch; after nil its spans survive a crash of the machine. Spans with invalid ids or outside
// retention are rejected; the rest are stored.
func (s *Store) Append(ctx context.Context, b pipeline.Batch) error {
	if b.Signal != pipeline.Traces {
		return pipeline.Reject(b.Items, pipeline.DropUnsupported, fmt.Errorf("the trace store does not take %s", b.Signal))
	}
	if err := s.enter(); err != nil {
		return pipeline.Refuse(0, err)
	}
	defer s.leave()
	if ctx.Err() != nil {
		return pipeline.Withdrawn(ctx)
	}

	g := s.groups.Get().(*group)
	defer func() {
		g.reset()
		s.groups.Put(g)
	}()
	now := s.now()
	g.read(b.Request, traceql.Window{From: now - uint64(s.options.Retention), To: now + uint64(maxAhead)})
	if len(g.spans) > 0 {
		if err := s.store(g, len(b.Request)); err != nil {
			return pipeline.Refuse(0, err)
		}
		s.settings.Delivered(pipeline.Traces, len(g.spans), len(b.Request)-g.rejects.Bytes())
	}
	return s.teller.Answer(b.Items, &g.rejects)
}

// store writes the spans of g: all of them, or after an error possibly none.
func (s *Store) store(g *group, size int) error {
	batch := s.db.NewBatchWithSize(size + size/4)
	defer batch.Close()
	var hours []bucket
	err := g.fragments(func(p place, fragment []byte) error {
		g.key = p.appendFragmentKey(g.key[:0])
		if err := batch.Set(g.key, fragment, nil); err != nil {
			return err
		}
		hours = extend(hours, p)
		g.key = p.appendIndexKey(g.key[:0])
		at := len(g.key)
		g.key = binary.BigEndian.AppendUint64(g.key, p.from)
		return batch.Set(g.key[:at], g.key[at:], nil)
	})
	if err != nil {
		return fmt.Errorf("cannot store spans: %w", err)
	}
	if err := s.commit(batch, hours); err != nil {
		return fmt.Errorf("cannot store spans: %w", err)
	}
	if err := batch.SyncWait(); err != nil {
		return s.breakWith(fmt.Errorf("cannot store spans: %w", err))
	}
	return nil
}

// commit applies a batch that touches these hours; the caller waits for the disk.
func (s *Store) commit(batch *pebble.Batch, hours []bucket) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	merged, changed := merge(*s.buckets.Load(), hours)
	for _, b := range changed {
		if err := batch.Set(bucketKey(b.hour), binary.BigEndian.AppendUint32(nil, b.stretch), nil); err != nil {
			return err
		}
	}
	if err := s.applyLocked(batch); err != nil {
		return err
	}
	if len(changed) > 0 {
		s.buckets.Store(&merged)
	}
	return nil
}

// applyLocked makes a batch visible and passes it to the log; the batch's SyncWait waits for the disk.
//
// It must ask for Sync. Otherwise pebble buffers up to 32 KiB of the log in its own memory (record.LogWriter), and
// SIGKILL would lose acknowledged spans. Concurrent callers share a sync.
func (s *Store) applyLocked(batch *pebble.Batch) (err error) {
	if err := s.Ready(); err != nil {
		return err
	}
	defer func() {
		// pebble panics when it appends to a log that has failed.
		if p := recover(); p != nil {
			s.stuck = true
			s.settings.Log.Error("the trace store takes no more writes until a restart", "cause", p, "stack", string(debug.Stack()))
			err = s.breakWith(fmt.Errorf("the write-ahead log failed: %v", p))
		}
	}()
	return s.db.ApplyNoSyncWait(batch, pebble.Sync)
}

// breakWith makes all later writes fail with err.
func (s *Store) breakWith(err error) error {
	s.broken.CompareAndSwap(nil, &err)
	return err
}
