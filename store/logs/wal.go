package logs

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

// The write-ahead log is a folder of segments. A segment is named after the first number that it may hold and is a
// header followed by records; a record is written with two calls that the kernel has taken when they return, so that
// it survives the process but, until the next sync a second later, not the machine.
//
//	record: length of the payload (4 bytes), CRC-32C of all that follows (4), number of the first chunk (8),
//	        when it was received in nanoseconds (8), payload: the request as it came
const (
	walHeader   = "SLUICEL1"
	walFrame    = 24
	walSuffix   = ".wal"
	maxWALEntry = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// wal appends records. It is safe for concurrent use.
type wal struct {
	dir string

	mu       sync.Mutex
	f        *os.File
	size     int64  // of the current segment
	records  int    // in the current segment
	next     uint64 // number of the next chunk
	unsynced bool
	broken   error // a failed write that could not be taken back: nothing more is taken
}

// openWAL begins a new segment behind everything that the folder holds and returns the older segments, oldest first.
// Numbers never repeat: they begin at the clock's microseconds and go on behind the highest name in the folder.
func openWAL(dir string) (*wal, []string, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, nil, fmt.Errorf("cannot make the folder of the write-ahead log: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the folder of the write-ahead log: %w", err)
	}
	w := &wal{dir: dir, next: uint64(time.Now().UnixMicro())}
	var old []string
	for _, e := range entries {
		if first, ok := strings.CutSuffix(e.Name(), walSuffix); ok {
			if n, err := strconv.ParseUint(first, 10, 64); err == nil {
				w.next = max(w.next, n+1)
				old = append(old, filepath.Join(dir, e.Name()))
			}
		}
	}
	slices.Sort(old) // names have leading zeros
	return w, old, nil
}

// begin opens a new segment. Until then nothing can be appended.
func (w *wal) begin() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.beginLocked()
}

func (w *wal) beginLocked() error {
	f, err := os.OpenFile(w.path(w.next), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("cannot begin a segment of the write-ahead log: %w", err)
	}
	if _, err := f.WriteAt([]byte(walHeader), 0); err != nil {
		return errors.Join(fmt.Errorf("cannot begin a segment of the write-ahead log: %w", err), f.Close(), os.Remove(f.Name()))
	}
	w.f, w.size, w.records = f, int64(len(walHeader)), 0
	return nil
}

func (w *wal) path(first uint64) string {
	return filepath.Join(w.dir, fmt.Sprintf("%020d%s", first, walSuffix))
}

// append writes a record and returns the number of its first chunk. After an error nothing of it is in the log.
func (w *wal) append(received int64, payload []byte) (uint64, error) {
	if len(payload) > maxWALEntry {
		return 0, fmt.Errorf("cannot log a request of %d bytes", len(payload))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return 0, w.broken
	}
	var frame [walFrame]byte
	binary.LittleEndian.PutUint32(frame[0:], uint32(len(payload)))
	binary.LittleEndian.PutUint64(frame[8:], w.next)
	binary.LittleEndian.PutUint64(frame[16:], uint64(received))
	crc := crc32.Update(crc32.Checksum(frame[8:], castagnoli), castagnoli, payload)
	binary.LittleEndian.PutUint32(frame[4:], crc)

	_, err := w.f.WriteAt(frame[:], w.size)
	if err == nil {
		_, err = w.f.WriteAt(payload, w.size+walFrame)
	}
	if err != nil {
		if cut := w.f.Truncate(w.size); cut != nil {
			w.broken = fmt.Errorf("cannot take back a failed write to the write-ahead log: %w", cut)
		}
		return 0, fmt.Errorf("cannot write to the write-ahead log: %w", err)
	}
	seq := w.next
	w.next += maxChunks(len(payload))
	w.size += walFrame + int64(len(payload))
	w.records++
	w.unsynced = true
	return seq, nil
}

// sync writes the current segment through to the disk.
func (w *wal) sync() error {
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

// state returns how many records and bytes the log holds.
func (w *wal) state() (records int, size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.records, w.size
}

// healthy reports whether the log takes records.
func (w *wal) healthy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken == nil
}

// restart begins a new segment and removes all others: what they hold is on disk elsewhere. The caller sees to it that
// nobody appends. The new segment stands before the old ones go, so that the highest number is never forgotten.
func (w *wal) restart() error {
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
	segments, err := filepath.Glob(filepath.Join(w.dir, "*"+walSuffix))
	errs = append(errs, err)
	for _, s := range segments {
		if s != w.f.Name() {
			errs = append(errs, os.Remove(s))
		}
	}
	return errors.Join(errs...)
}

func (w *wal) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		return nil
	}
	return w.f.Close()
}
