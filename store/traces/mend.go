package traces

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble silently ends the replay of its newest write-ahead log at the first chunk that it cannot read, and does not open
// with damage in an older one. So the logs are checked before it opens them: damage is reported, and the log is written
// anew with every record that can be read.

// damage is what could not be read.
type damage struct {
	corrupt int // places with records behind them
	torn    int // bytes at the end
}

// mendLogs mends the logs in dir.
func mendLogs(fs vfs.FS, dir string) (total damage, err error) {
	names, err := fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return total, nil
	}
	if err != nil {
		return total, fmt.Errorf("cannot list the folder: %w", err)
	}
	for _, name := range names {
		digits, is := strings.CutSuffix(name, ".log")
		number, err := strconv.ParseUint(digits, 10, 32)
		if !is || err != nil {
			continue
		}
		d, err := mendLog(fs, filepath.Join(dir, name), uint32(number))
		if err != nil {
			return total, fmt.Errorf("cannot check the write-ahead log %s: %w", name, err)
		}
		total.corrupt += d.corrupt
		total.torn += d.torn
	}
	return total, nil
}

func mendLog(fs vfs.FS, path string, number uint32) (damage, error) {
	f, err := fs.Open(path)
	if err != nil {
		return damage{}, err
	}
	text, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return damage{}, err
	}
	l := walLog{number: number}
	l.read(text)
	if l.damage == (damage{}) {
		return damage{}, nil
	}
	var b bytes.Buffer
	w := record.NewWriter(&b)
	for _, r := range l.records {
		if _, err := w.WriteRecord(r); err != nil {
			return damage{}, err
		}
	}
	if err := w.Close(); err != nil {
		return damage{}, err
	}
	return l.damage, replace(fs, path, b.Bytes())
}

func replace(fs vfs.FS, path string, text []byte) error {
	f, err := fs.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return fs.Rename(path+".new", path)
}

// Pebble's format: blocks of chunks, each a checksum (4), length (2), kind (1), log number (4, kinds 5 and up) and sync
// offset (8, kinds 9 and up). A chunk is a whole record or its first, a middle or its last part. Behind the last one may be
// a trailer with the next log number, zeros, or chunks of the log whose file was used again.
const (
	walBlock      = 32 << 10
	walHeader     = 7
	walNumber     = 4
	walSyncOffset = 8
)

const (
	wholeRecord = iota
	firstPart
	middlePart
	lastPart
	walPositions
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type walChunk struct {
	number   uint32
	position int
	data     []byte
	size     int // with its header
}

// chunkAt returns the chunk that b begins with; b ends with its block.
func (l *walLog) chunkAt(b []byte) (c walChunk, ok bool) {
	if len(b) < walHeader || b[6] == 0 || b[6] > 3*walPositions {
		return c, false
	}
	kind, header := int(b[6]-1), walHeader
	c.number, c.position = l.number, kind%walPositions
	if kind >= walPositions {
		header += walNumber
	}
	if kind >= 2*walPositions {
		header += walSyncOffset
	}
	c.size = header + int(binary.LittleEndian.Uint16(b[4:]))
	if c.size > len(b) {
		return c, false
	}
	if kind >= walPositions {
		c.number = binary.LittleEndian.Uint32(b[walHeader:])
	}
	c.data = b[header:c.size]
	sum := crc32.Checksum(b[6:c.size], castagnoli)
	return c, binary.LittleEndian.Uint32(b) == (sum>>15|sum<<17)+0xa282ead8
}

// walLog is what is read of a log.
type walLog struct {
	number  uint32
	records [][]byte
	damage  damage

	part []byte // of a record whose end is yet to come; nil if none is
	bad  int    // where what cannot be read begins; -1 if all can
	old  bool   // chunks of the file's earlier use follow
}

func (l *walLog) read(text []byte) {
	used := len(bytes.TrimRight(text, "\x00"))
	l.bad = -1
	for at := 0; at < used; {
		end := min(len(text), at-at%walBlock+walBlock)
		c, ok := l.chunkAt(text[at:end])
		switch {
		case ok && c.number == l.number:
			l.add(c)
			at += c.size
		case l.bad < 0 && l.part == nil && l.isTrailer(text[at:end]):
			return
		case ok && c.number < l.number:
			l.old = true
			l.miss(at)
			at += c.size
		case len(bytes.Trim(text[at:end], "\x00")) == 0 && end-at < walHeader+walNumber+walSyncOffset:
			at = end // too little for a chunk
		default:
			l.miss(at)
			at++
		}
	}
	switch {
	case l.part != nil && l.bad < 0:
		l.damage.torn += len(l.part)
	case l.bad >= 0 && !l.old:
		l.damage.torn += used - l.bad
	}
}

// isTrailer reports whether b begins with the trailer, a chunk of nothing without a checksum.
func (l *walLog) isTrailer(b []byte) bool {
	return len(b) >= walHeader+walNumber && bytes.Count(b[:walHeader-1], []byte{0}) == walHeader-1 &&
		binary.LittleEndian.Uint32(b[walHeader:]) == l.number+1
}

func (l *walLog) miss(at int) {
	if l.bad < 0 {
		l.bad = at
	}
}

func (l *walLog) add(c walChunk) {
	if l.bad >= 0 {
		l.damage.corrupt++
		l.bad, l.part, l.old = -1, nil, false
	}
	switch c.position {
	case wholeRecord:
		l.records = append(l.records, c.data)
	case firstPart:
		l.part = append([]byte{}, c.data...)
	default:
		if l.part == nil {
			return // its beginning was lost
		}
		l.part = append(l.part, c.data...)
		if c.position == lastPart {
			l.records, l.part = append(l.records, l.part), nil
		}
	}
}
