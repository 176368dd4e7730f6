package checkpoint

import (
	"hash/maphash"
	"time"

	"github.com/sluiceio/sluice/internal/statefile"
)

const (
	// anew is the longest time between rewrites; last-seen times alone are not written as changes.
	anew = time.Hour
	// The file is rewritten when the changes exceed slack bytes and slackTimes its size.
	slack      = 64 << 10
	slackTimes = 4
)

// journal is the file on disk: the whole state, then changes. If one of five thousand files is active, a save costs a line
// instead of a megabyte.
type journal struct {
	path    string
	known   map[name]uint64 // hash of each entry in the file; nil: rewrite it
	seed    maphash.Seed
	made    time.Time // last rewrite
	size    int       // of the whole state, in bytes
	changes int       // bytes after it
}

func (j *journal) write(now time.Time, entries []Entry, whole bool) error {
	var changes []byte
	if j.known != nil && !whole && now.Sub(j.made) < anew {
		changes = j.diff(entries)
		if len(changes) == 0 {
			return nil
		}
		// If most of it changes, a rewrite costs little more.
		whole = 2*len(changes) > j.size || j.changes+len(changes) > max(slack, slackTimes*j.size)
	} else {
		whole = true
	}
	if !whole && statefile.Append(j.path, changes) == nil {
		j.changes += len(changes)
		j.note(entries)
		return nil
	}
	// A failed append may have left a partial line: rewrite the file.
	j.known = nil
	b := Encode(entries)
	if err := statefile.Replace(j.path, b); err != nil {
		return err
	}
	j.made, j.size, j.changes = now, len(b), 0
	j.note(entries)
	return nil
}

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

// hash excludes the last-seen time.
func (j *journal) hash(e Entry) uint64 {
	e.Seen = 0
	return maphash.Comparable(j.seed, e)
}
