package logs

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

// A walRecord is one request of the write-ahead log.
type walRecord struct {
	seq      uint64
	received int64
	request  wire.Request // valid until the next record is read
}

// walDamage says what a segment lacks.
type walDamage struct {
	torn    int64 // bytes behind the last whole record: a write that the process did not live to finish
	corrupt int   // whole records inside the segment whose checksum is wrong
}

// readSegment calls f for every record of a segment. A torn tail ends it without an error: no caller was told that it
// is safe. A record that is whole by its length but has a wrong checksum is passed over when others follow.
func readSegment(path string, f func(walRecord) error) (walDamage, error) {
	var d walDamage
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
	header := make([]byte, len(walHeader))
	if _, err := io.ReadFull(r, header); err != nil {
		d.torn = info.Size()
		return d, nil
	}
	if string(header) != walHeader {
		return d, fmt.Errorf("cannot read the write-ahead log: %s is of another version", path)
	}
	left := info.Size() - int64(len(walHeader))
	var frame [walFrame]byte
	var payload []byte
	for left > 0 {
		if left < walFrame {
			break
		}
		if _, err := io.ReadFull(r, frame[:]); err != nil {
			return d, readError(path, err)
		}
		n := int64(binary.LittleEndian.Uint32(frame[:]))
		if n > left-walFrame {
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
			if n == 0 || left == walFrame+n { // zeros, or the last one: torn, too
				break
			}
			d.corrupt++
			left -= walFrame + n
			continue
		}
		left -= walFrame + n
		rec := walRecord{
			seq:      binary.LittleEndian.Uint64(frame[8:]),
			received: int64(binary.LittleEndian.Uint64(frame[16:])),
			request:  payload,
		}
		if err := f(rec); err != nil {
			return d, err
		}
	}
	d.torn = left
	return d, nil
}

func readError(path string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = errors.New("it is shorter than the file system said")
	}
	return fmt.Errorf("cannot read the write-ahead log %s: %w", path, err)
}
