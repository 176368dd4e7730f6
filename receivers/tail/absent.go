package tail

import (
	"cmp"
	"slices"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

const (
	// forgetAfter is how long the place in a file is kept that is not there: an unmounted volume comes back.
	forgetAfter = 72 * time.Hour
	// forgetDeleted is how long it is kept when the file was most likely deleted.
	forgetDeleted = time.Hour
	// maxAbsent bounds how many such places are kept; on a node where pods come and go most files never come back.
	maxAbsent = 10_000
)

// absent are the checkpoint's entries of files that are not there, or were not found yet, by inode.
type absent map[uint64][]entry

func (a absent) add(e entry) {
	a[e.key.ino] = append(a[e.key.ino], e)
}

func (a absent) remove(e entry) {
	rest := slices.DeleteFunc(a[e.key.ino], func(x entry) bool { return x == e })
	if len(rest) == 0 {
		delete(a, e.key.ino)
		return
	}
	a[e.key.ino] = rest
}

// prune forgets what is too old or too much, and returns the rest.
func (a absent) prune(now time.Time) []entry {
	var all []entry
	for _, list := range a {
		all = append(all, list...)
	}
	slices.SortFunc(all, func(x, y entry) int { return cmp.Compare(y.seen, x.seen) })
	n := 0
	for n < len(all) && n < maxAbsent && now.Sub(time.Unix(all[n].seen, 0)) <= forgetAfter {
		n++
	}
	for _, e := range all[n:] {
		a.remove(e)
	}
	return all[:n]
}

// claim finds the entry of a file by what it is: device, inode and birth, and the fingerprint of its content. A
// device may have another number after a reboot; then the path stands in for it. An entry of the same file with
// other content, or one that was read further than the file is long, is no use any more: the file was truncated,
// or the inode has been given to another.
func (k *keeper) claim(name string, st stat, prefix []byte) (entry, bool) {
	k.r.mu.Lock()
	defer k.r.mu.Unlock()
	for _, e := range slices.Clone(k.absent[st.key.ino]) {
		moved := e.key
		moved.dev = st.key.dev
		if !e.key.same(st.key) && !(e.path == name && e.mark.n > 0 && moved.same(st.key)) {
			continue
		}
		k.absent.remove(e)
		if e.offset <= st.size && e.mark.matches(prefix) {
			return e, true
		}
		if unread := e.size - e.offset; unread > 0 {
			k.r.lose(pipeline.DropTruncatedUnread, 1, unread)
		}
		k.r.settings.Log.Info("a file is not the one that the checkpoint knows, and is read from its beginning", "file", name)
	}
	return entry{}, false
}

// leave keeps the place in a file that is gone, in case it comes back.
func (k *keeper) leave(e entry) {
	k.r.mu.Lock()
	defer k.r.mu.Unlock()
	k.absent.add(e)
}

// miss counts what was not read of a file that is gone, as far as we know it. Should it come back, it is read from where
// we were.
func (k *keeper) miss(e entry) {
	unread := e.size - e.offset
	if unread <= 0 {
		return
	}
	k.r.mu.Lock()
	k.absent.remove(e)
	e.size = e.offset
	k.absent.add(e)
	k.r.mu.Unlock()
	k.r.lose(pipeline.DropRotatedUnread, 1, unread)
	k.r.settings.Log.Warn("a file went away while the receiver was down, and was not read to its end", "file", e.path, "unread_bytes", unread)
}

// missing are the entries of files that once stood at path and were not found.
func (k *keeper) missing(path string) []entry {
	k.r.mu.Lock()
	defer k.r.mu.Unlock()
	var out []entry
	for _, list := range k.absent {
		for _, e := range list {
			if e.path == path {
				out = append(out, e)
			}
		}
	}
	return out
}

// history is, by path, the entries of files that once stood there and were not found, and when the youngest file was
// born that stood there and does not now, found or not.
func (k *keeper) history() (missing map[string][]entry, newest map[string]time.Time) {
	k.r.mu.Lock()
	defer k.r.mu.Unlock()
	missing, newest = map[string][]entry{}, map[string]time.Time{}
	note := func(path string, born time.Time) {
		if born.After(newest[path]) {
			newest[path] = born
		}
	}
	for _, list := range k.absent {
		for _, e := range list {
			missing[e.path] = append(missing[e.path], e)
			note(e.path, e.born())
		}
	}
	for _, f := range k.r.files {
		if f.name() != f.path {
			note(f.path, f.born())
		}
	}
	return missing, newest
}

// born is when the entry's file was made, or last changed where that is not known.
func (e entry) born() time.Time { return stat{key: e.key, changed: e.changed}.born() }
