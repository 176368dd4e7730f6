// Package wal is the write-ahead log of the log store: unchanged requests in segments, each record with a unique
// range of numbers.
//
// What [Log.Append] wrote survives the process. [Open] finds old segments, [ReadSegment] reads them, and
// [Log.Restart] deletes them once their rows are on disk.
package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A segment is named after its first possible number. It is a header followed by records. A written record survives
// the process, but a crash of the machine only after the next sync, a second later.
//
//	record: length of the payload (4 bytes), CRC-32C of all that follows (4), its first number (8),
//	        when it was received in nanoseconds (8), payload: the request as it came
const (
	header     = "SLUICEL1"
	frameBytes = 24
	suffix     = ".wal"
	maxPayload = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Log appends records. It is safe for concurrent use.
type Log struct {
	dir string

	mu       sync.Mutex
	f        *os.File
	size     int64  // of the current segment
	records  int    // in the current segment
	next     uint64 // first number of the next record
	unsynced bool
	broken   error // a failed write that could not be undone: the log accepts no more
}

// Open returns a log and the existing segments, oldest first. Call Restart before Append. Numbers never repeat: they
// start at the clock's microseconds, above the highest name in the folder.
func Open(dir string) (*Log, []string, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, nil, fmt.Errorf("cannot make the folder of the write-ahead log: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the folder of the write-ahead log: %w", err)
	}
	w := &Log{dir: dir, next: uint64(time.Now().UnixMicro())}
	var old []string
	for _, e := range entries {
		if first, ok := strings.CutSuffix(e.Name(), suffix); ok {
			if n, err := strconv.ParseUint(first, 10, 64); err == nil {
				w.next = max(w.next, n+1)
				old = append(old, filepath.Join(dir, e.Name()))
			}
		}
	}
	slices.Sort(old) // names have leading zeros
	return w, old, nil
}

// SkipTo reserves the numbers below next.
func (w *Log) SkipTo(next uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = max(w.next, next)
}

func (w *Log) beginLocked() error {
	f, err := os.OpenFile(w.path(w.next), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("cannot begin a segment of the write-ahead log: %w", err)
	}
	if _, err := f.WriteAt([]byte(header), 0); err != nil {
		return errors.Join(fmt.Errorf("cannot begin a segment of the write-ahead log: %w", err), f.Close(), os.Remove(f.Name()))
	}
	w.f, w.size, w.records = f, int64(len(header)), 0
	return nil
}

func (w *Log) path(first uint64) string {
	return filepath.Join(w.dir, fmt.Sprintf("%020d%s", first, suffix))
}

// Append writes a record with so many numbers and returns the first. After an error nothing is in the log.
func (w *Log) Append(received int64, payload []byte, numbers uint64) (first uint64, err error) {
	if len(payload) > maxPayload {
		return 0, fmt.Errorf("cannot log a request of %d bytes", len(payload))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return 0, w.broken
	}
	var frame [frameBytes]byte
	binary.LittleEndian.PutUint32(frame[0:], uint32(len(payload)))
	binary.LittleEndian.PutUint64(frame[8:], w.next)
	binary.LittleEndian.PutUint64(frame[16:], uint64(received))
	crc := crc32.Update(crc32.Checksum(frame[8:], castagnoli), castagnoli, payload)
	binary.LittleEndian.PutUint32(frame[4:], crc)

	_, err = w.f.WriteAt(frame[:], w.size)
	if err == nil {
		_, err = w.f.WriteAt(payload, w.size+frameBytes)
	}
	if err != nil {
		if cut := w.f.Truncate(w.size); cut != nil {
			w.broken = fmt.Errorf("cannot take back a failed write to the write-ahead log: %w", cut)
		}
		return 0, fmt.Errorf("cannot write to the write-ahead log: %w", err)
	}
	first = w.next
	w.next += numbers
	w.size += frameBytes + int64(len(payload))
	w.records++
	w.unsynced = true
	return first, nil
}

// Sync syncs the current segment to disk.
func (w *Log) Sync() error {
	w.mu.Lock()
	f, dirty := w.f, w.unsynced
	w.unsynced = false
	w.mu.Unlock()
	if !dirty {
		return nil
	}
	err := f.Sync()
	if errors.Is(err, os.ErrClosed) { // a checkpoint was faster
		return nil
	}
	return err
}

// State returns the records and bytes in the log.
func (w *Log) State() (records int, size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.records, w.size
}

// Healthy reports whether the log accepts records.
func (w *Log) Healthy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken == nil
}

// Restart begins a new segment and deletes the others. No appends meanwhile. It creates the new one first, so that
// the highest number is never lost.
func (w *Log) Restart() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.f
	w.next++ // a segment without records has the name of the new one otherwise
	if err := w.beginLocked(); err != nil {
		return err
	}
	w.broken, w.unsynced = nil, false
	var errs []error
	if old != nil {
		errs = append(errs, old.Close())
	}
	segments, err := filepath.Glob(filepath.Join(w.dir, "*"+suffix))
	errs = append(errs, err)
	for _, s := range segments {
		if s != w.f.Name() {
			errs = append(errs, os.Remove(s))
		}
	}
	return errors.Join(errs...)
}

// Close closes the segment and keeps it.
func (w *Log) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		return nil
	}
	return w.f.Close()
}
