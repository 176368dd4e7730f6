// Package file is the exporter that writes requests to a file.
package file

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire/otlpjson"
)

// Exporter is the component.
type Exporter struct {
	settings pipeline.Settings
	config   *Config
	pool     buffer.Pool
	failed   throttle.Line

	mu      sync.Mutex // guards the file and writes; taken inside syncing
	file    *os.File
	size    int64 // up to the end of the last whole record
	written int64 // to all files since start

	syncing sync.Mutex
	synced  int64 // value of written that is on disk
}

// New makes the exporter; Start opens the file.
func New(s pipeline.Settings, c *Config) (pipeline.Sink, error) {
	return &Exporter{settings: s, config: c}, nil
}

func (e *Exporter) Start(context.Context) error {
	if e.config.CreateDirectory {
		perm, err := e.config.permissions()
		if err != nil {
			return fmt.Errorf("cannot use directory_permissions: %w", err)
		}
		if err := os.MkdirAll(filepath.Dir(e.config.Path), perm); err != nil {
			return fmt.Errorf("cannot make the directory: %w", err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.openLocked(!e.config.Append)
}

func (e *Exporter) openLocked(truncate bool) error {
	flags := os.O_RDWR | os.O_CREATE | os.O_APPEND
	if truncate {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(e.config.Path, flags, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the file: %w", err)
	}
	if e.size, err = e.mend(f); err != nil {
		return errors.Join(fmt.Errorf("cannot look at the file: %w", err), f.Close())
	}
	e.file = f
	return nil
}

// followLocked reopens the file if another program renamed or removed it, and detects truncation.
func (e *Exporter) followLocked() error {
	now, err := os.Stat(e.config.Path)
	if err == nil {
		var open os.FileInfo
		if open, err = e.file.Stat(); err == nil && os.SameFile(now, open) {
			e.size = min(e.size, now.Size())
			return nil
		}
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot look at the file: %w", err)
	}
	old := e.file
	if err := e.openLocked(false); err != nil {
		return err
	}
	e.settings.Log.Warn("another program has renamed or removed the file; it is opened anew", "path", e.config.Path)
	if err := errors.Join(old.Sync(), old.Close()); err != nil {
		e.settings.Log.Warn("cannot close the file that was renamed or removed", "path", e.config.Path, "error", err)
	}
	return nil
}

// Consume implements pipeline.Sink. It returns nil when the request is written and, with fsync, on disk.
func (e *Exporter) Consume(ctx context.Context, b pipeline.Batch) error {
	if ctx.Err() != nil {
		return pipeline.Withdrawn(ctx)
	}
	upTo, err := e.record(b)
	if err == nil && e.config.Fsync {
		err = e.sync(upTo)
	}
	if err != nil {
		if alike, due := e.failed.Now(); due {
			e.settings.Log.Warn("cannot write the file; the records are refused and sent again", "path", e.config.Path, "error", err, "suppressed", alike)
		}
		return pipeline.Refuse(time.Second, err)
	}
	e.settings.Delivered(b.Signal, b.Items, len(b.Request))
	return nil
}

const lengthSize = 4

// record writes a request. upTo is the bytes written since start.
func (e *Exporter) record(b pipeline.Batch) (upTo int64, err error) {
	if e.config.Format == formatProto {
		r := e.pool.Get(lengthSize + len(b.Request))
		defer r.Release()
		r.B = binary.BigEndian.AppendUint32(r.B, uint32(len(b.Request)))
		r.B = append(r.B, b.Request...)
		return e.write(len(r.B), func(w io.Writer) error { return all(w, r.B) })
	}
	r := e.pool.Get(min(2*len(b.Request), otlpjson.PieceBytes))
	defer r.Release()
	size := 0
	r.B = otlpjson.AppendPieces(r.B, b.Signal, b.Request, func(piece []byte) []byte {
		size += len(piece)
		return piece[:0]
	})
	r.B = append(r.B, '\n')
	if size == 0 {
		return e.write(len(r.B), func(w io.Writer) error { return all(w, r.B) })
	}
	// Too large to be held: made again, in pieces.
	return e.write(size+len(r.B), func(w io.Writer) (err error) {
		r.B = otlpjson.AppendPieces(r.B[:0], b.Signal, b.Request, func(piece []byte) []byte {
			if err == nil {
				err = all(w, piece)
			}
			return piece[:0]
		})
		r.B = append(r.B, '\n')
		if err == nil {
			err = all(w, r.B)
		}
		return err
	})
}

func all(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return err
}

// write appends a whole record of so many bytes or nothing. upTo is the bytes written since start.
func (e *Exporter) write(size int, record func(io.Writer) error) (upTo int64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == nil {
		return 0, errors.New("cannot write: the exporter does not run")
	}
	if err := e.followLocked(); err != nil {
		return 0, err
	}
	if r := e.config.Rotation.Get(); r != nil && e.size > 0 && e.size+int64(size) > int64(r.MaxMegabytes)<<20 {
		if err := e.rotateLocked(r); err != nil {
			return 0, err
		}
	}
	if err := record(e.file); err != nil {
		// A full disk leaves half a record: remove it.
		return 0, errors.Join(fmt.Errorf("cannot write: %w", err), e.file.Truncate(e.size))
	}
	e.size += int64(size)
	e.written += int64(size)
	return e.written, nil
}

// sync makes written data durable up to a point. Concurrent callers share a sync.
func (e *Exporter) sync(upTo int64) error {
	e.syncing.Lock()
	defer e.syncing.Unlock()
	if e.synced >= upTo {
		return nil
	}
	e.mu.Lock()
	written, f := e.written, e.file
	e.mu.Unlock()
	if f == nil {
		return errors.New("cannot sync: the exporter does not run")
	}
	// A rotation that closed f has synced it.
	if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("cannot sync: %w", err)
	}
	e.synced = written
	return nil
}

func (e *Exporter) Stop(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == nil {
		return nil
	}
	err := errors.Join(e.file.Sync(), e.file.Close())
	e.file = nil
	if err != nil {
		return fmt.Errorf("cannot close the file: %w", err)
	}
	return nil
}
