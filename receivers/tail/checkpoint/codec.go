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

// Entry is the stored state of one file.
type Entry struct {
	Key         fileid.Key
	Fingerprint fileid.Fingerprint
	Mark        fileid.Mark // of a place at or before Offset
	Offset      int64       // everything before it is delivered
	Size        int64       // of the file when the entry was made
	Modified    int64       // ns since 1970
	Seen        int64       // when the file last existed, seconds since 1970
	Path        string      // where it was first found; its records carry it
	As, Link    string      // see reader.File; written only where there are any
}

// Born returns the birth time or, if unknown, the last modification.
func (e Entry) Born() time.Time { return e.Key.Born(e.Modified) }

// Unread returns the undelivered bytes.
func (e Entry) Unread() int64 { return max(0, e.Size-e.Offset) }

// The checkpoint is a text file: a head line, one line per file, an end line (without it the file is cut short), then
// changes: a new line for a file, or one that says it is gone. Each line starts with its CRC-32C, so that damage costs only
// the damaged lines.
const (
	head  = "sluice-tail-checkpoint 2"
	head1 = "sluice-tail-checkpoint 1" // its entries have no mark
	end   = "end"
	gone  = "gone"
)

type name struct {
	key  fileid.Key
	path string
}

func (e Entry) name() name { return name{e.Key, e.Path} }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode sorts entries, so that equal states give equal files.
func Encode(entries []Entry) []byte {
	slices.SortFunc(entries, func(a, b Entry) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return cmp.Compare(a.Key.Ino, b.Key.Ino)
	})
	out := appendLine(nil, head)
	for _, e := range entries {
		out = appendEntry(out, e)
	}
	return appendLine(out, "%s %d", end, len(entries))
}

func appendLine(out []byte, format string, args ...any) []byte {
	line := fmt.Appendf(nil, format, args...)
	return fmt.Appendf(out, "%08x %s\n", crc32.Checksum(line, castagnoli), line)
}

func appendEntry(out []byte, e Entry) []byte {
	names := strconv.Quote(e.Path)
	if e.As != "" || e.Link != "" {
		names += " " + strconv.Quote(e.As) + " " + strconv.Quote(e.Link)
	}
	return appendLine(out, "%d %d %d %s %s %d %d %d %d %s", e.Key.Dev, e.Key.Ino, e.Key.Birth, e.Fingerprint, e.Mark, e.Offset, e.Size, e.Modified, e.Seen, names)
}

func appendGone(out []byte, n name) []byte {
	return appendLine(out, "%s %d %d %d %q", gone, n.key.Dev, n.key.Ino, n.key.Birth, n.path)
}

// Decode parses the output of Encode and later changes. It returns all intact entries; the error reports damage. A cut last
// change is no damage: the process was killed while writing.
func Decode(b []byte) ([]Entry, error) {
	var d decoder
	for n := 1; len(b) > 0; n++ {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		b = rest
		if err := d.line(line); err != nil && (whole || !d.ended) && len(d.faults) < 3 {
			d.faults = append(d.faults, fmt.Errorf("line %d: %w", n, err))
		}
	}
	if !d.begun {
		d.faults = append(d.faults, errors.New("it does not begin with "+strconv.Quote(head)))
	}
	if !d.ended {
		d.faults = append(d.faults, errors.New("its end is missing"))
	}
	return slices.DeleteFunc(d.entries, func(e Entry) bool { return e == Entry{} }), errors.Join(d.faults...)
}

type decoder struct {
	entries      []Entry
	at           map[name]int // index in entries; the entry of a file that is gone is empty
	intact       int          // lines of entries before the end
	begun, ended bool
	old          bool // entries have no mark
	faults       []error
}

func (d *decoder) line(line []byte) error {
	text, err := checkedLine(line)
	if err != nil {
		return err
	}
	kind, rest, _ := strings.Cut(text, " ")
	switch {
	case text == head || text == head1:
		d.begun, d.old = true, text == head1
	case kind == end:
		d.ended = true
		if n, err := strconv.Atoi(rest); err != nil || n != d.intact {
			return fmt.Errorf("%d entries are intact, %s were written", d.intact, rest)
		}
	case kind == gone:
		n, err := parseGone(rest)
		if at, ok := d.at[n]; ok && err == nil {
			d.entries[at] = Entry{}
			delete(d.at, n)
		}
		return err
	default:
		if d.old {
			text = withoutMark(text)
		}
		e, err := parseEntry(text)
		if err != nil {
			return err
		}
		d.put(e)
	}
	return nil
}

func (d *decoder) put(e Entry) {
	if !d.ended {
		d.intact++
	}
	if at, ok := d.at[e.name()]; ok {
		d.entries[at] = e
		return
	}
	if d.at == nil {
		d.at = map[name]int{}
	}
	d.at[e.name()] = len(d.entries)
	d.entries = append(d.entries, e)
}

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

func withoutMark(text string) string {
	fields := strings.SplitN(text, " ", 5)
	if len(fields) < 5 {
		return text
	}
	return strings.Join(append(fields[:4:4], fileid.Mark{}.String(), fields[4]), " ")
}

type fields struct {
	text string
	err  error
}

func (f *fields) next() string {
	field, rest, _ := strings.Cut(f.text, " ")
	f.text = rest
	return field
}

func (f *fields) fault(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) number() int64 {
	n, err := strconv.ParseInt(f.next(), 10, 64)
	f.fault(err)
	return n
}

func (f *fields) key() fileid.Key {
	dev, err := strconv.ParseUint(f.next(), 10, 64)
	f.fault(err)
	ino, err := strconv.ParseUint(f.next(), 10, 64)
	f.fault(err)
	return fileid.Key{Dev: dev, Ino: ino, Birth: f.number()}
}

func (f *fields) path() string {
	quoted, err := strconv.QuotedPrefix(f.text)
	f.fault(err)
	f.text = strings.TrimPrefix(f.text[len(quoted):], " ")
	path, err := strconv.Unquote(quoted)
	f.fault(err)
	return path
}

func parseGone(text string) (name, error) {
	f := fields{text: text}
	n := name{key: f.key(), path: f.path()}
	return n, f.err
}

func parseEntry(text string) (e Entry, err error) {
	f := fields{text: text}
	e.Key = f.key()
	e.Fingerprint, err = fileid.ParseFingerprint(f.next())
	f.fault(err)
	e.Mark, err = fileid.ParseMark(f.next())
	f.fault(err)
	e.Offset, e.Size, e.Modified, e.Seen = f.number(), f.number(), f.number(), f.number()
	if e.Path = f.path(); f.text != "" {
		e.As, e.Link = f.path(), f.path()
	}
	if f.text != "" {
		f.fault(errors.New("more behind its names"))
	}
	if e.Offset < 0 || e.Mark.End() > e.Offset {
		f.fault(errors.New("a negative offset, or one before its mark"))
	}
	return e, f.err
}
