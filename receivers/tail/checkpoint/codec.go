package checkpoint

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

// Entry is what is kept of one file over a restart.
type Entry struct {
	Key         fileid.Key
	Fingerprint fileid.Fingerprint
	Offset      int64  // everything before it is delivered
	Size        int64  // of the file when the entry was made
	Modified    int64  // its last modification, ns since 1970
	Seen        int64  // when the file was last there, seconds since 1970
	Path        string // the name it was first found under, which its records carry
}

// Born is when the file was made, or last modified where that is not known.
func (e Entry) Born() time.Time { return e.Key.Born(e.Modified) }

// Unread is how much of the file was not delivered when the entry was made.
func (e Entry) Unread() int64 { return max(0, e.Size-e.Offset) }

// The checkpoint is a text file that a person can read: a head line, one line a file, an end line. Each line
// begins with its CRC-32C, so that damage costs the damaged lines and no others; the end line makes a file that was
// cut short known as such.
const (
	head = "sluice-tail-checkpoint 1"
	end  = "end"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode writes entries in the order of their paths and inodes, so that equal states are equal files.
func Encode(entries []Entry) []byte {
	slices.SortFunc(entries, func(a, b Entry) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return cmp.Compare(a.Key.Ino, b.Key.Ino)
	})
	var out, line []byte
	add := func(format string, args ...any) {
		line = fmt.Appendf(line[:0], format, args...)
		out = fmt.Appendf(out, "%08x %s\n", crc32.Checksum(line, castagnoli), line)
	}
	add("%s", head)
	for _, e := range entries {
		add("%d %d %d %s %d %d %d %d %q", e.Key.Dev, e.Key.Ino, e.Key.Birth, e.Fingerprint, e.Offset, e.Size, e.Modified, e.Seen, e.Path)
	}
	add("%s %d", end, len(entries))
	return out
}

// Decode reads what Encode wrote. Whatever happened to the bytes, it returns the entries whose
// lines are whole; the error says that there was damage.
func Decode(b []byte) ([]Entry, error) {
	var entries []Entry
	var faults []error
	begun, count := false, -1
	for n := 1; len(b) > 0; n++ {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		b = rest
		text, err := checkedLine(line)
		switch {
		case err != nil:
		case text == head:
			begun = true
		case strings.HasPrefix(text, end+" "):
			count, err = strconv.Atoi(text[len(end)+1:])
		default:
			var e Entry
			if e, err = parseEntry(text); err == nil {
				entries = append(entries, e)
			}
		}
		if err != nil && len(faults) < 3 {
			faults = append(faults, fmt.Errorf("line %d: %w", n, err))
		}
	}
	if !begun {
		faults = append(faults, errors.New("it does not begin with "+strconv.Quote(head)))
	}
	if count != len(entries) {
		faults = append(faults, fmt.Errorf("%d entries are intact, %d were written", len(entries), count))
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

func parseEntry(text string) (e Entry, err error) {
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
	unsigned(fields[0], &e.Key.Dev)
	unsigned(fields[1], &e.Key.Ino)
	number(fields[2], &e.Key.Birth)
	number(fields[4], &e.Offset)
	number(fields[5], &e.Size)
	number(fields[6], &e.Modified)
	number(fields[7], &e.Seen)
	fingerprint, ferr := fileid.ParseFingerprint(fields[3])
	e.Fingerprint = fingerprint
	errs = append(errs, ferr)
	path, perr := strconv.Unquote(fields[8])
	e.Path = path
	errs = append(errs, perr)
	if e.Offset < 0 {
		errs = append(errs, errors.New("a negative offset"))
	}
	return e, errors.Join(errs...)
}
