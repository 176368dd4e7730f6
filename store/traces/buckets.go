package traces

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// A bucket is an hour with fragments, the unit of deletion.
type bucket struct {
	hour uint32
	// stretch is the longest time from a fragment's start to its end, in s, rounded up to a power of two so that it
	// seldom changes. A search reads that far beyond its time range.
	stretch uint32
}

func (b bucket) end() uint64 { return (uint64(b.hour) + 1) * nsPerHour }

func byHour(b bucket, hour uint32) int { return cmp.Compare(b.hour, hour) }

// extend adds the hour of a fragment.
func extend(list []bucket, p place) []bucket {
	stretch := roundUp((p.when - p.from) / uint64(time.Second))
	for i := range list {
		if list[i].hour == p.hour() {
			list[i].stretch = max(list[i].stretch, stretch)
			return list
		}
	}
	return append(list, bucket{p.hour(), stretch})
}

// roundUp returns the next power of two above seconds, 2^31 at most.
func roundUp(seconds uint64) uint32 { return 1 << min(bits.Len64(seconds), 31) }

// merge adds more to known; changed are the new and updated ones.
func merge(known, more []bucket) (merged, changed []bucket) {
	for _, b := range more {
		i, found := slices.BinarySearchFunc(known, b.hour, byHour)
		if !found || known[i].stretch < b.stretch {
			changed = append(changed, b)
		}
	}
	if len(changed) == 0 {
		return known, nil
	}
	merged = slices.Clone(known)
	for _, b := range changed {
		i, found := slices.BinarySearchFunc(merged, b.hour, byHour)
		if !found {
			merged = slices.Insert(merged, i, b)
		}
		merged[i] = b
	}
	return merged, changed
}

func (s *Store) loadBuckets() error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{rowBucket}, UpperBound: []byte{rowBucket + 1}})
	if err != nil {
		return err
	}
	defer it.Close()
	list := []bucket{}
	for ok := it.First(); ok; ok = it.Next() {
		if len(it.Key()) != 5 || len(it.Value()) != 4 {
			return fmt.Errorf("the row %x is damaged", it.Key())
		}
		list = append(list, bucket{binary.BigEndian.Uint32(it.Key()[1:]), binary.BigEndian.Uint32(it.Value())})
	}
	s.buckets.Store(&list)
	return it.Error()
}

// rebuildBuckets adds the hours whose rows were lost with a damaged log, from the index.
func (s *Store) rebuildBuckets() error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{rowIndex}, UpperBound: []byte{rowIndex + 1}})
	if err != nil {
		return err
	}
	defer it.Close()
	var hours []bucket
	for ok := it.First(); ok; ok = it.Next() {
		if p, ok := placeOfIndex(it.Key(), it.Value()); ok {
			hours = extend(hours, p)
		}
	}
	if err := it.Error(); err != nil {
		return err
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := s.commit(batch, hours); err != nil {
		return err
	}
	return batch.SyncWait()
}

// Oldest is the start of the oldest hour.
func (s *Store) Oldest() (time.Time, bool) {
	list := *s.buckets.Load()
	if len(list) == 0 {
		return time.Time{}, false
	}
	return unixNano(uint64(list[0].hour) * nsPerHour), true
}

// DropOldest deletes the oldest hour and returns its end, or ErrEmpty.
func (s *Store) DropOldest(ctx context.Context) (freedThrough time.Time, err error) {
	if err := s.enter(); err != nil {
		return time.Time{}, err
	}
	defer s.leave()
	list := *s.buckets.Load()
	if len(list) == 0 {
		return time.Time{}, ErrEmpty
	}
	end := list[0].end()
	return unixNano(end), s.dropUntil(ctx, end)
}

// dropUntil deletes the hours that end by then, and frees their space.
func (s *Store) dropUntil(ctx context.Context, then uint64) error {
	hour, err := s.deleteUntil(then)
	if err != nil {
		return fmt.Errorf("cannot drop traces: %w", err)
	}
	// Deleted already; compaction frees the space. It drops fully deleted files, which most are, unread.
	lower, _ := hourRange(hour)
	if err := s.db.Compact(ctx, lower, []byte{rowFragment + 1}, false); err != nil {
		return fmt.Errorf("cannot free the space of dropped traces: %w", err)
	}
	if days := (hour + 1) / hoursPerDay; days > 0 {
		lower, upper := daysUntil(days - 1)
		if err := s.db.Compact(ctx, lower, upper, false); err != nil {
			return fmt.Errorf("cannot free the space of dropped traces: %w", err)
		}
	}
	return nil
}

// deleteUntil deletes the rows of the hours that end by then, and returns the last hour.
func (s *Store) deleteUntil(then uint64) (hour uint32, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	known := *s.buckets.Load()
	n := 0
	for n < len(known) && known[n].end() <= then {
		n++
	}
	if n == 0 {
		return 0, ErrEmpty
	}
	last := known[n-1].hour
	batch := s.db.NewBatch()
	defer batch.Close()
	newest, _ := hourRange(last)
	err = batch.DeleteRange(newest, []byte{rowFragment + 1}, nil)
	if days := (last + 1) / hoursPerDay; err == nil && days > 0 {
		from, to := daysUntil(days - 1)
		err = batch.DeleteRange(from, to, nil)
	}
	for _, b := range known[:n] {
		if err == nil {
			err = batch.Delete(bucketKey(b.hour), nil)
		}
	}
	if err == nil {
		err = s.applyLocked(batch)
	}
	if err == nil {
		err = batch.SyncWait()
	}
	if err != nil {
		return 0, err
	}
	left := slices.Clone(known[n:])
	s.buckets.Store(&left)
	return last, nil
}

// keepRetention runs retain until the store closes.
func (s *Store) keepRetention() {
	tick := time.NewTicker(retentionEvery)
	defer tick.Stop()
	for {
		if err := s.retain(s.ending); err != nil && s.ending.Err() == nil {
			s.settings.Log.Warn("cannot remove traces beyond retention", "error", err)
		}
		select {
		case <-tick.C:
		case <-s.ending.Done():
			return
		}
	}
}

// retain deletes hours beyond retention, then the oldest while the store exceeds MaxBytes.
func (s *Store) retain(ctx context.Context) error {
	if oldest, ok := s.Oldest(); ok {
		begin := s.now() - uint64(s.options.Retention)
		if uint64(oldest.UnixNano())+nsPerHour <= begin {
			if err := s.dropUntil(ctx, begin); err != nil {
				return err
			}
		}
	}
	if s.options.MaxBytes > 0 {
		return s.shrink(ctx, s.options.MaxBytes)
	}
	return nil
}

// shrink deletes the oldest hours until the store fits.
func (s *Store) shrink(ctx context.Context, most int64) error {
	for s.DiskBytes() > most {
		if _, err := s.DropOldest(ctx); err != nil {
			return err
		}
	}
	return nil
}
