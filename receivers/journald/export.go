package journald

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// entry is one journal entry. Its fields point into a buffer that the next entry reuses.
type entry struct {
	fields []field
	buf    []byte
}

type field struct {
	name, value, end int // buf[name:value] and buf[value:end]
	limit            int // for the value's length
	cut              bool
}

func (e *entry) name(f field) []byte  { return e.buf[f.name:f.value] }
func (e *entry) value(f field) []byte { return e.buf[f.value:f.end] }

func (e *entry) get(name string) (value []byte, ok bool) {
	for _, f := range e.fields {
		if string(e.name(f)) == name {
			return e.value(f), true
		}
	}
	return nil, false
}

// Journal fields may repeat, attributes may not.
func (e *entry) repeats(i int) bool {
	for _, f := range e.fields[:i] {
		if string(e.name(f)) == string(e.name(e.fields[i])) {
			return true
		}
	}
	return false
}

const (
	// A core dump is a field of hundreds of megabytes.
	messageMax = 64 << 10
	fieldMax   = 4 << 10

	entryMax = 1 << 20
	// nameMax is journald's limit, fieldsMax ours.
	nameMax   = 64
	fieldsMax = 1024

	message = "MESSAGE"
)

var errMalformed = errors.New("not the journal's export format")

// readEntry reads the journal export format (systemd.io/JOURNAL_EXPORT_FORMATS): lines NAME=value or, for binary values,
// NAME, eight bytes of length and the bytes; an empty line ends the entry. A cut entry gives io.ErrUnexpectedEOF.
func readEntry(r *bufio.Reader, e *entry) error {
	e.fields, e.buf = e.fields[:0], e.buf[:0]
	for {
		line, err := r.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !long {
			if err == io.EOF && (len(line) > 0 || len(e.fields) > 0) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if !long {
			line = line[:len(line)-1]
		}
		if len(line) == 0 {
			if len(e.fields) > 0 {
				return nil
			}
			continue
		}
		name, value, text := bytes.Cut(line, []byte{'='})
		if len(name) == 0 || len(name) > nameMax || !text && long {
			return fmt.Errorf("%w: a line begins with %.80q", errMalformed, line)
		}
		f := field{name: len(e.buf), value: len(e.buf) + len(name)}
		e.buf = append(e.buf, name...)
		f.limit = fieldMax
		if string(name) == message {
			f.limit = messageMax
		}
		f.limit = max(0, min(f.limit, entryMax-len(e.buf)))
		if text {
			e.keep(&f, value)
			if long {
				err = e.text(r, &f)
			}
		} else {
			err = e.binary(r, &f)
		}
		if err != nil {
			return err
		}
		f.end = len(e.buf)
		if len(e.fields) < fieldsMax {
			e.fields = append(e.fields, f)
		} else {
			e.buf = e.buf[:f.name]
		}
	}
}

func (e *entry) text(r *bufio.Reader, f *field) error {
	for {
		part, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			e.keep(f, part)
		case err != nil:
			return broken(err)
		default:
			e.keep(f, part[:len(part)-1])
			return nil
		}
	}
}

func (e *entry) keep(f *field, part []byte) {
	room := f.limit - (len(e.buf) - f.value)
	if len(part) > room {
		part, f.cut = part[:room], true
	}
	e.buf = append(e.buf, part...)
}

func (e *entry) binary(r *bufio.Reader, f *field) error {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return broken(err)
	}
	size := binary.LittleEndian.Uint64(head[:])
	if size > 1<<40 {
		return fmt.Errorf("%w: a field of %d bytes", errMalformed, size)
	}
	kept := int(min(size, uint64(f.limit)))
	f.cut = size > uint64(f.limit)
	start := len(e.buf)
	e.buf = append(e.buf, make([]byte, kept)...)
	if _, err := io.ReadFull(r, e.buf[start:]); err != nil {
		return broken(err)
	}
	if _, err := io.CopyN(io.Discard, r, int64(size)-int64(kept)); err != nil {
		return broken(err)
	}
	end, err := r.ReadByte()
	if err != nil {
		return broken(err)
	}
	if end != '\n' {
		return fmt.Errorf("%w: no newline after a field of %d bytes", errMalformed, size)
	}
	return nil
}

func broken(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
