package checkpoint

import (
	"cmp"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

const (
	// forgetAfter is how long entries are kept: an unmounted volume may come back.
	forgetAfter = 72 * time.Hour
	// forgetDeleted applies to files that were most likely deleted.
	forgetDeleted = time.Hour
	maxAbsent     = 10_000
)

// absent are the entries of files that are missing or not found yet, by inode.
type absent map[uint64][]Entry

func (a absent) add(e Entry) {
	a[e.Key.Ino] = append(a[e.Key.Ino], e)
}

func (a absent) remove(e Entry) {
	rest := slices.DeleteFunc(a[e.Key.Ino], func(x Entry) bool { return x == e })
	if len(rest) == 0 {
		delete(a, e.Key.Ino)
		return
	}
	a[e.Key.Ino] = rest
}

// prune drops entries that are too old or too many.
func (a absent) prune(now time.Time) []Entry {
	var all []Entry
	for _, list := range a {
		all = append(all, list...)
	}
	slices.SortFunc(all, func(x, y Entry) int { return cmp.Compare(y.Seen, x.Seen) })
	n := 0
	for n < len(all) && n < maxAbsent && now.Sub(time.Unix(all[n].Seen, 0)) <= forgetAfter {
		n++
	}
	for _, e := range all[n:] {
		a.remove(e)
	}
	return all[:n]
}

// A Claim asks for the entry of a file.
type Claim struct {
	Name   string // current path
	Stat   fileid.Stat
	Prefix []byte // first bytes, see fileid.ReadPrefix
	File   io.ReaderAt
}

// Claim finds and removes the absent entry of a file, by device, inode, birth and content. The device number may have
// changed after a reboot; then the path must match, or the folder and a known birth.
//
// stale are removed entries whose content or size does not match: the file was truncated or its inode reused.
func (s *Store) Claim(c Claim) (e Entry, known bool, stale []Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range slices.Clone(s.absent[c.Stat.Ino]) {
		held := e.HeldBy(c)
		if !e.Key.Same(c.Stat.Key) && !(e.Path == c.Name || held && e.besides(c)) || !e.renumbered(c).Same(c.Stat.Key) {
			continue
		}
		if e.Key.Dev != c.Stat.Dev && !e.Fingerprint.Known() {
			continue
		}
		s.absent.remove(e)
		if held {
			return e, true, stale
		}
		stale = append(stale, e)
	}
	return Entry{}, false, stale
}

// HeldBy reports whether the file has the content that the entry describes.
func (e Entry) HeldBy(c Claim) bool {
	return e.Offset <= c.Stat.Size && e.Fingerprint.Matches(c.Prefix) && e.Mark.Matches(c.File)
}

func (e Entry) renumbered(c Claim) fileid.Key {
	k := e.Key
	k.Dev = c.Stat.Dev
	return k
}

// besides reports whether the file may be the entry's, renamed in its folder while the device number changed.
func (e Entry) besides(c Claim) bool {
	return filepath.Dir(e.Path) == filepath.Dir(c.Name) && (e.Key.Birth != 0 && e.Key.Birth == c.Stat.Birth || e.Fingerprint.Full())
}

// Take removes an absent entry whose content was found in a copy. It returns false if it is gone.
func (s *Store) Take(e Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.absent[e.Key.Ino], e) {
		return false
	}
	s.absent.remove(e)
	return true
}

// Leave keeps the entry of a file that is gone, in case it comes back. Entries of deleted files expire early, or pods that
// come and go would fill the checkpoint.
func (s *Store) Leave(e Entry, deleted bool) {
	if deleted {
		e.Seen -= int64((forgetAfter - forgetDeleted).Seconds())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.absent.add(e)
}

// GiveUp marks the unread rest of an absent file as lost. If the file comes back, reading continues at Offset.
func (s *Store) GiveUp(e Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.absent.remove(e)
	e.Size = e.Offset
	s.absent.add(e)
}

// Absent returns the entries of absent files by path.
func (s *Store) Absent(path string) []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Entry
	for _, list := range s.absent {
		for _, e := range list {
			if e.Path == path {
				out = append(out, e)
			}
		}
	}
	return out
}

// AbsentByPath returns all entries of absent files.
func (s *Store) AbsentByPath() map[string][]Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]Entry{}
	for _, list := range s.absent {
		for _, e := range list {
			out[e.Path] = append(out[e.Path], e)
		}
	}
	return out
}
