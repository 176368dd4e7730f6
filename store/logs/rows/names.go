package rows

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// maxDayNames is how many labels become fields in a day. The library silently drops rows, even at a later merge, when
// a block has more than 2,000 names, and a block may hold any rows of a stream and day. Two times 900 plus about 40
// fixed ones stays below. Other labels, and long names, go into FieldRest, where queries find them more slowly.
const maxDayNames = 900

// Names keeps the fields of each day, on disk because a restart must not start the count again. A name is written
// before its first row.
type Names struct {
	dir  string
	mu   sync.Mutex
	days map[int64]*dayNames
}

type dayNames struct {
	fields map[string]bool
	rest   bool // some row has labels in FieldRest
}

// restMark in a day's file, where it cannot be a name, says that rows have FieldRest. It is written before the row;
// if that fails, only this process knows.
const restMark = "!"

// OpenNames stores names in dir.
func OpenNames(dir string) (*Names, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("cannot make the folder of field names: %w", err)
	}
	return &Names{dir: dir, days: map[int64]*dayNames{}}, nil
}

// admit reports whether the label is a field on that day; false if its name cannot be written.
func (n *Names) admit(day int64, label string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.day(day)
	if d.fields[label] {
		return true
	}
	if len(label) <= maxNameBytes && len(d.fields) < maxDayNames && n.append(day, label) {
		d.fields[strings.Clone(label)] = true
		return true
	}
	if !d.rest {
		n.append(day, restMark)
		d.rest = true
	}
	return false
}

// HasRest reports whether rows of that day may have FieldRest.
func (n *Names) HasRest(day int64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.day(day).rest
}

func (n *Names) day(day int64) *dayNames {
	d := n.days[day]
	if d == nil {
		d = n.load(day)
		n.days[day] = d
	}
	return d
}

func (n *Names) file(day int64) string { return filepath.Join(n.dir, DayName(day)) }

// load reads the names of a day. It cuts off an incomplete last line, which is unused. An unusable file admits
// nothing.
func (n *Names) load(day int64) *dayNames {
	d := &dayNames{fields: map[string]bool{}}
	data, err := os.ReadFile(n.file(day))
	if err != nil {
		d.rest = !os.IsNotExist(err)
		return d
	}
	whole := strings.LastIndexByte(string(data), '\n') + 1
	if whole < len(data) && os.Truncate(n.file(day), int64(whole)) != nil {
		d.rest = true
		for i := range maxDayNames {
			d.fields[fmt.Sprintf("\x00%d", i)] = true
		}
	}
	for l := range strings.SplitSeq(string(data[:whole]), "\n") {
		switch l {
		case "":
		case restMark:
			d.rest = true
		default:
			d.fields[l] = true
		}
	}
	return d
}

func (n *Names) append(day int64, label string) bool {
	f, err := os.OpenFile(n.file(day), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return false
	}
	_, err = f.WriteString(label + "\n")
	return f.Close() == nil && err == nil
}

// Forget deletes the names of earlier days.
func (n *Names) Forget(before int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	entries, err := os.ReadDir(n.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		day, ok := ParseDay(e.Name())
		if ok && day < before {
			delete(n.days, day)
			_ = os.Remove(filepath.Join(n.dir, e.Name())) // a file too many does no harm; the next call tries again
		}
	}
}
