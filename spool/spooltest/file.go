package spooltest

import (
	"errors"
	"io"
	"slices"
	"syscall"

	"github.com/sluiceio/sluice/spool"
)

type file struct {
	fs   *FS
	name string
	i    *inode
	mode spool.Mode
}

func (f *file) Close() error { return nil }

func (f *file) ReadAt(b []byte, off int64) (n int, err error) {
	err = f.fs.do("read", f.name, func() error {
		if off < int64(len(f.i.data)) {
			n = copy(b, f.i.data[off:])
		}
		if n < len(b) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

func (f *file) Size() (n int64, err error) {
	err = f.fs.do("size", f.name, func() error { n = int64(len(f.i.data)); return nil })
	return n, err
}

// grow is the size that the file may have of what is wanted.
func (f *file) grow(want int64) (int64, error) {
	have := int64(len(f.i.data))
	if f.fs.Capacity == 0 || want <= have {
		return want, nil
	}
	if free := max(0, f.fs.Capacity-f.fs.used()); want-have > free {
		return have + free, syscall.ENOSPC
	}
	return want, nil
}

func (f *file) WriteAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	crash, err := f.fs.begin("write", f.name)
	if err != nil && !crash && !errors.Is(err, ErrShort) {
		return 0, err
	}
	if f.mode == spool.ModeRead {
		return 0, syscall.EBADF
	}
	if errors.Is(err, ErrShort) {
		b, err = b[:len(b)/2], syscall.ENOSPC
	}
	end, full := f.grow(off + int64(len(b)))
	if full != nil {
		b, err = b[:max(0, min(int64(len(b)), end-off))], full
	}
	if len(b) > 0 {
		f.i.pending = append(f.i.pending, edit{off, slices.Clone(b)})
		if end > int64(len(f.i.data)) {
			f.i.data = resize(f.i.data, end)
		}
		copy(f.i.data[off:], b)
	}
	return len(b), err
}

func (f *file) Truncate(size int64) error {
	return f.fs.do("truncate", f.name, func() error {
		if _, err := f.grow(size); err != nil {
			return err
		}
		f.i.pending = append(f.i.pending, edit{off: size})
		f.i.data = resize(f.i.data, size)
		return nil
	})
}

func (f *file) Allocate(from, size int64) error {
	return f.fs.do("allocate", f.name, func() error {
		if f.fs.NoAlloc {
			return errors.ErrUnsupported
		}
		if from+size <= int64(len(f.i.data)) {
			return nil
		}
		if _, err := f.grow(from + size); err != nil {
			return err
		}
		f.i.pending = append(f.i.pending, edit{off: from + size})
		f.i.data = resize(f.i.data, from+size)
		return nil
	})
}

func (f *file) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if _, err := f.fs.begin("sync", f.name); err != nil {
		// What a failed fsync did is unknown, and the next one does not say it: the pages are clean now.
		if !errors.Is(err, ErrCrashed) {
			f.i.synced, f.i.pending = halfSynced(f.i), nil
		}
		return err
	}
	f.i.synced, f.i.pending = slices.Clone(f.i.data), nil
	return nil
}

// halfSynced is what is durable after a failed fsync: every second sector, while readers still see all until the crash.
func halfSynced(i *inode) []byte {
	n := 0
	return i.crash(func() bool { n++; return n%2 == 0 })
}
