package file

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// mend truncates the file to its last whole record and returns its size: a killed process may leave half a record.
func (e *Exporter) mend(f *os.File) (size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	whole := info.Size()
	if !info.Mode().IsRegular() { // a pipe, or /dev/stdout
		return whole, nil
	}
	if e.config.Format == formatProto {
		whole, err = lastRecord(f, info.Size())
	} else {
		whole, err = lastLine(f, info.Size())
	}
	if err != nil || whole == info.Size() {
		return whole, err
	}
	e.settings.Log.Warn("the file ended in an incomplete record, which was never acknowledged; it is cut off",
		"path", e.config.Path, "bytes", info.Size()-whole)
	return whole, f.Truncate(whole)
}

func lastLine(f io.ReaderAt, size int64) (int64, error) {
	var chunk [64 << 10]byte
	for end := size; end > 0; {
		from := max(0, end-int64(len(chunk)))
		b := chunk[:end-from]
		if _, err := f.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		end = from
	}
	return 0, nil
}

func lastRecord(f io.ReaderAt, size int64) (int64, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(f, 0, size), 256<<10)
	var length [lengthSize]byte
	for at := int64(0); ; {
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return at, unlessEnd(err)
		}
		n := int64(binary.BigEndian.Uint32(length[:]))
		if at+lengthSize+n > size {
			return at, nil
		}
		if _, err := r.Discard(int(n)); err != nil {
			return at, unlessEnd(err)
		}
		at += lengthSize + n
	}
}

func unlessEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
