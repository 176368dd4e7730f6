package checkpoint

import (
	"hash/maphash"
	"time"

	"github.com/sluiceio/sluice/internal/statefile"
)

const (
	// anew is how often the file is written anew although little changed: the time at which each file was last seen is not
	// a change.
	anew = time.Hour
	// slack is how many bytes of changes are kept at least, and slackTimes how many times the size of the whole, before the
	// file is written anew.
	slack      = 64 << 10
	slackTimes = 4
)

// journal is the file on disk: the whole, and the changes behind it. Where one of five thousand files is written to, a
// second costs a line and not a megabyte.
type journal struct {
	path    string
	known   map[name]uint64 // what the file says, each entry as a hash; nil: write it anew
	seed    maphash.Seed
	made    time.Time // when it was last written anew
	size    int       // of the whole, in bytes
	changes int       // bytes behind it
}

// write makes the file say what entries say.
func (j *journal) write(now time.Time, entries []Entry, whole bool) error {
	var changes []byte
	if j.known != nil && !whole && now.Sub(j.made) < anew {
		changes = j.diff(entries)
		if len(changes) == 0 {
			return nil
		}
		// Where most of it changes, the whole is not much more, and resets the changes.
		whole = 2*len(changes) > j.size || j.changes+len(changes) > max(slack, slackTimes*j.size)
	} else {
		whole = true
	}
	if !whole && statefile.Append(j.path, changes) == nil {
		j.changes += len(changes)
		j.note(entries)
		return nil
	}
	// A failed append may have left a part of a line: no other may follow it.
	j.known = nil
	b := Encode(entries)
	if err := statefile.Replace(j.path, b); err != nil {
		return err
	}
	j.made, j.size, j.changes = now, len(b), 0
	j.note(entries)
	return nil
}

// diff is the lines that turn what the file says into entries.
func (j *journal) diff(entries []Entry) []byte {
	var out []byte
	found := 0
	for _, e := range entries {
		old, ok := j.known[e.name()]
		if ok {
			found++
		}
		if !ok || old != j.hash(e) {
			out = appendEntry(out, e)
		}
	}
	if found == len(j.known) {
		return out
	}
	left := make(map[name]bool, len(entries))
	for _, e := range entries {
		left[e.name()] = true
	}
	for n := range j.known {
		if !left[n] {
			out = appendGone(out, n)
		}
	}
	return out
}

func (j *journal) note(entries []Entry) {
	if j.known == nil {
		j.known = make(map[name]uint64, len(entries))
		j.seed = maphash.MakeSeed()
	}
	clear(j.known)
	for _, e := range entries {
		j.known[e.name()] = j.hash(e)
	}
}

// hash is of all but the time at which the file was last seen.
func (j *journal) hash(e Entry) uint64 {
	e.Seen = 0
	return maphash.Comparable(j.seed, e)
}
