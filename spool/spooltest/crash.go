package spooltest

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// A Keep decides whether a piece that was not synced is still there after a crash.
type Keep func() bool

// KeepNone, KeepAll and KeepSome are what disks do.
func KeepNone() bool { return false }

// KeepAll is a process that was killed: the kernel still writes.
func KeepAll() bool { return true }

// KeepSome is a power cut.
func KeepSome(r *rand.Rand) Keep { return func() bool { return r.IntN(2) == 0 } }

// Crash is the file system as it is found after a crash. Writes are kept in sectors of 512 bytes.
func (f *FS) Crash(keep Keep) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := map[string]*inode{}
	for name, i := range f.durable {
		names[name] = i
	}
	for _, c := range f.pending {
		if keep() {
			apply(names, c)
		}
	}
	out := NewFS()
	out.Capacity, out.NoAlloc, out.taken = f.Capacity, f.NoAlloc, f.taken
	for d := range f.dirs {
		out.dirs[d] = true
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		b := names[name].crash(keep)
		i := &inode{data: b, synced: slices.Clone(b)}
		out.live[name], out.durable[name] = i, i
	}
	return out
}

// Kill is the file system as the next process finds it after this one was killed: nothing is gone, and nothing more is durable.
func (f *FS) Kill() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := NewFS()
	out.Capacity, out.NoAlloc, out.taken = f.Capacity, f.NoAlloc, f.taken
	out.dirs = maps.Clone(f.dirs)
	copies := map[*inode]*inode{nil: nil}
	again := func(names map[string]*inode) map[string]*inode {
		c := map[string]*inode{}
		for name, i := range names {
			if _, ok := copies[i]; !ok {
				copies[i] = &inode{slices.Clone(i.data), slices.Clone(i.synced), slices.Clone(i.pending)}
			}
			c[name] = copies[i]
		}
		return c
	}
	out.live, out.durable = again(f.live), again(f.durable)
	for _, c := range f.pending {
		out.pending = append(out.pending, change{c.dir, again(c.set)})
	}
	return out
}

func apply(names map[string]*inode, c change) {
	for name, i := range c.set {
		if i == nil {
			delete(names, name)
		} else {
			names[name] = i
		}
	}
}

func (i *inode) crash(keep Keep) []byte {
	b := slices.Clone(i.synced)
	for _, e := range i.pending {
		if e.data == nil {
			if keep() {
				b = resize(b, e.off)
			}
			continue
		}
		for at := e.off; at < e.off+int64(len(e.data)); {
			end := min((at/512+1)*512, e.off+int64(len(e.data)))
			if keep() {
				if int64(len(b)) < end {
					b = resize(b, end)
				}
				copy(b[at:end], e.data[at-e.off:end-e.off])
			}
			at = end
		}
	}
	return b
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}
