package wal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/sluiceio/sluice/wire"
)

// A Record is one request in the log.
type Record struct {
	First    uint64 // of its numbers
	Received int64
	Request  wire.Request // valid until the next record is read
}

// Damage is what cannot be read of a segment.
type Damage struct {
	Torn    int64 // bytes after the last whole record, from an unfinished write
	Corrupt int   // whole records with a wrong checksum
}

// ReadSegment calls f for each record. A torn tail is no error, because it was never acknowledged. A record with a
// wrong checksum is skipped if others follow.
func ReadSegment(path string, f func(Record) error) (Damage, error) {
	var d Damage
	file, err := os.Open(path)
	if err != nil {
		return d, fmt.Errorf("cannot read the write-ahead log: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return d, fmt.Errorf("cannot read the write-ahead log: %w", err)
	}
	r := bufio.NewReaderSize(file, 1<<20)
	begin := make([]byte, len(header))
	if _, err := io.ReadFull(r, begin); err != nil {
		d.Torn = info.Size()
		return d, nil
	}
	if string(begin) != header {
		return d, fmt.Errorf("cannot read the write-ahead log: %s is of another version", path)
	}
	left := info.Size() - int64(len(header))
	var frame [frameBytes]byte
	var payload []byte
	for left > 0 {
		if left < frameBytes {
			break
		}
		if _, err := io.ReadFull(r, frame[:]); err != nil {
			return d, readError(path, err)
		}
		n := int64(binary.LittleEndian.Uint32(frame[:]))
		if n > left-frameBytes {
			break
		}
		if int64(cap(payload)) < n {
			payload = make([]byte, n)
		}
		payload = payload[:n]
		if _, err := io.ReadFull(r, payload); err != nil {
			return d, readError(path, err)
		}
		crc := crc32.Update(crc32.Checksum(frame[8:], castagnoli), castagnoli, payload)
		if crc != binary.LittleEndian.Uint32(frame[4:]) {
			if n == 0 || left == frameBytes+n { // zeros, or the last one: torn, too
				break
			}
			d.Corrupt++
			left -= frameBytes + n
			continue
		}
		left -= frameBytes + n
		rec := Record{
			First:    binary.LittleEndian.Uint64(frame[8:]),
			Received: int64(binary.LittleEndian.Uint64(frame[16:])),
			Request:  payload,
		}
		if err := f(rec); err != nil {
			return d, err
		}
	}
	d.Torn = left
	return d, nil
}

func readError(path string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = errors.New("it is shorter than the file system said")
	}
	return fmt.Errorf("cannot read the write-ahead log %s: %w", path, err)
}
