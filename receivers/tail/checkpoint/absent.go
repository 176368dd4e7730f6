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
	// forgetAfter is how long the place in a file is kept that is not there: an unmounted volume comes back.
	forgetAfter = 72 * time.Hour
	// forgetDeleted is how long it is kept when the file was most likely deleted.
	forgetDeleted = time.Hour
	// maxAbsent bounds how many such places are kept; on a node where pods come and go most files never come back.
	maxAbsent = 10_000
)

// absent are the entries of files that are not there, or were not found yet, by inode.
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

// prune forgets what is too old or too much, and returns the rest.
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

// A Claim asks for the entry of a file that was found.
type Claim struct {
	Name   string // where it is now
	Stat   fileid.Stat
	Prefix []byte // its first bytes, see fileid.ReadPrefix
	File   io.ReaderAt
}

// Claim finds the entry of a file by what it is: device, inode and birth, and its content. A device may have another
// number after a reboot; then the path stands in for it, or the folder and a known birth. The entry is not absent any more.
//
// stale are entries of the same file with other content, or that were read further than the file is long: the file was
// truncated, or the inode has been given to another. They are forgotten, and what they had not read is lost.
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

// HeldBy says whether a file has the content of which the entry says how far it was delivered.
func (e Entry) HeldBy(c Claim) bool {
	return e.Offset <= c.Stat.Size && e.Fingerprint.Matches(c.Prefix) && e.Mark.Matches(c.File)
}

// renumbered is the entry's key if its device has the number that the claim's has.
func (e Entry) renumbered(c Claim) fileid.Key {
	k := e.Key
	k.Dev = c.Stat.Dev
	return k
}

// besides says whether a file may be the entry's that was renamed in its folder while its device got another number.
func (e Entry) besides(c Claim) bool {
	return filepath.Dir(e.Path) == filepath.Dir(c.Name) && (e.Key.Birth != 0 && e.Key.Birth == c.Stat.Birth || e.Fingerprint.Full())
}

// Take removes an absent entry, whose content was found in a copy. It answers false when it is not there any more.
func (s *Store) Take(e Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.absent[e.Key.Ino], e) {
		return false
	}
	s.absent.remove(e)
	return true
}

// Leave keeps the entry of a file that is gone, in case it comes back. One that was most likely deleted is not kept for
// long: where pods come and go that is the fate of every file, and the checkpoint must not grow by them for days.
func (s *Store) Leave(e Entry, deleted bool) {
	if deleted {
		e.Seen -= int64((forgetAfter - forgetDeleted).Seconds())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.absent.add(e)
}

// GiveUp notes that what an absent file holds unread was counted as lost. Should it come back, it is read from where we
// were.
func (s *Store) GiveUp(e Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.absent.remove(e)
	e.Size = e.Offset
	s.absent.add(e)
}

// Absent are the entries of files that once stood at path and were not found.
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

// AbsentByPath are all entries of files that were not found, by the path where they once stood.
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
