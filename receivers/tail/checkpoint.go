package tail

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
)

// entry is what is kept of one file over a restart.
type entry struct {
	key     fileKey
	mark    fingerprint
	offset  int64  // everything before it is delivered
	size    int64  // of the file when the entry was made
	changed int64  // its last modification, ns since 1970
	seen    int64  // when the file was last there, seconds since 1970
	path    string // the name it was first found under, which its records carry
}

// The checkpoint is a text file that a person can read: a head line, one line a file, an end line. Each line
// begins with its CRC-32C, so that damage costs the damaged lines and no others; the end line makes a file that was
// cut short known as such.
const (
	checkpointHead = "sluice-tail-checkpoint 1"
	checkpointEnd  = "end"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encodeCheckpoint writes entries in the order of their paths and inodes, so that equal states are equal files.
func encodeCheckpoint(entries []entry) []byte {
	slices.SortFunc(entries, func(a, b entry) int {
		if c := strings.Compare(a.path, b.path); c != 0 {
			return c
		}
		return cmp.Compare(a.key.ino, b.key.ino)
	})
	var out, line []byte
	add := func(format string, args ...any) {
		line = fmt.Appendf(line[:0], format, args...)
		out = fmt.Appendf(out, "%08x %s\n", crc32.Checksum(line, castagnoli), line)
	}
	add("%s", checkpointHead)
	for _, e := range entries {
		add("%d %d %d %s %d %d %d %d %q", e.key.dev, e.key.ino, e.key.birth, e.mark, e.offset, e.size, e.changed, e.seen, e.path)
	}
	add("%s %d", checkpointEnd, len(entries))
	return out
}

// decodeCheckpoint reads what encodeCheckpoint wrote. Whatever happened to the bytes, it returns the entries whose
// lines are whole; the error says that there was damage.
func decodeCheckpoint(b []byte) ([]entry, error) {
	var entries []entry
	var faults []error
	head, end := false, -1
	for n := 1; len(b) > 0; n++ {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		b = rest
		text, err := checkedLine(line)
		switch {
		case err != nil:
		case text == checkpointHead:
			head = true
		case strings.HasPrefix(text, checkpointEnd+" "):
			end, err = strconv.Atoi(text[len(checkpointEnd)+1:])
		default:
			var e entry
			if e, err = parseEntry(text); err == nil {
				entries = append(entries, e)
			}
		}
		if err != nil && len(faults) < 3 {
			faults = append(faults, fmt.Errorf("line %d: %w", n, err))
		}
	}
	if !head {
		faults = append(faults, errors.New("it does not begin with "+strconv.Quote(checkpointHead)))
	}
	if end != len(entries) {
		faults = append(faults, fmt.Errorf("%d entries are whole, %d were written", len(entries), end))
	}
	return entries, errors.Join(faults...)
}

// checkedLine is what stands behind a line's checksum.
func checkedLine(line []byte) (string, error) {
	if len(line) < 9 || line[8] != ' ' {
		return "", errors.New("no checksum")
	}
	want, err := strconv.ParseUint(string(line[:8]), 16, 32)
	if err != nil {
		return "", errors.New("no checksum")
	}
	if crc32.Checksum(line[9:], castagnoli) != uint32(want) {
		return "", errors.New("the checksum does not match")
	}
	return string(line[9:]), nil
}

func parseEntry(text string) (e entry, err error) {
	fields := strings.SplitN(text, " ", 9)
	if len(fields) != 9 {
		return e, errors.New("not an entry")
	}
	var errs []error
	number := func(s string, to *int64) {
		n, err := strconv.ParseInt(s, 10, 64)
		*to = n
		errs = append(errs, err)
	}
	unsigned := func(s string, to *uint64) {
		n, err := strconv.ParseUint(s, 10, 64)
		*to = n
		errs = append(errs, err)
	}
	unsigned(fields[0], &e.key.dev)
	unsigned(fields[1], &e.key.ino)
	number(fields[2], &e.key.birth)
	number(fields[4], &e.offset)
	number(fields[5], &e.size)
	number(fields[6], &e.changed)
	number(fields[7], &e.seen)
	length, sum, ok := strings.Cut(fields[3], ":")
	raw, herr := hex.DecodeString(sum)
	n, nerr := strconv.Atoi(length)
	if !ok || herr != nil || nerr != nil || len(raw) != len(e.mark.sum) || n < 0 || n > fingerprintMax {
		errs = append(errs, errors.New("not a fingerprint"))
	} else {
		e.mark.n = n
		copy(e.mark.sum[:], raw)
	}
	path, perr := strconv.Unquote(fields[8])
	e.path = path
	errs = append(errs, perr)
	if e.offset < 0 {
		errs = append(errs, errors.New("a negative offset"))
	}
	return e, errors.Join(errs...)
}
