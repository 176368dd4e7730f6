package rows

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// maxDayNames is how many labels of structured metadata become fields of their own in one day. The library drops rows
// in silence, now or at a later merge, when a block comes to more than 2,000 names counting the row's own, and a block
// can come to hold any rows of one stream and day. 900 for all streams of a day and some 40 fixed ones, taken twice, stay
// below that. Labels over the limit, and names that are too long, go into FieldRest together: they are found by queries
// like all others, only more slowly.
const maxDayNames = 900

// Names remembers which labels are fields, day by day, on disk too: after a restart the set of a day must not begin
// anew. A name is written down before the first row with it.
type Names struct {
	dir  string
	mu   sync.Mutex
	days map[int64]*dayNames
}

// dayNames is what one day has.
type dayNames struct {
	fields map[string]bool
	rest   bool // some row has labels in FieldRest
}

// restMark stands in a day's file, where no name can be it, once some row has labels in FieldRest. Like a name it is
// written before the row. Should that fail (a full disk), queries of this process know all the same.
const restMark = "!"

// OpenNames remembers in dir.
func OpenNames(dir string) (*Names, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("cannot make the folder of field names: %w", err)
	}
	return &Names{dir: dir, days: map[int64]*dayNames{}}, nil
}

// admit reports whether the label is a field on that day. One that cannot be written down is none.
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

// HasRest reports whether rows of that day may have labels that are no fields.
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

// load reads the names of a day. A last line that is not whole was not used yet; it is cut off. A file that cannot be
// kept admits nothing.
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

// Forget removes the names of days before the given one.
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
