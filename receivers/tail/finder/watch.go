package finder

// Changed takes note of what the kernel told of the folders, and says whether one changed. It is a hint that a sweep is due:
// what it does not tell, or told of too much to keep, the sweep finds.
func (f *Finder) Changed() (changed bool) {
	all := f.watches.read(func(dir string, watch int, gone bool) {
		if d := f.folders[dir]; d != nil && d.watch == watch {
			d.changed, changed = true, true
			if gone {
				d.watch = 0
			}
		}
	})
	if all {
		for _, d := range f.folders {
			d.changed = true
		}
	}
	return changed || all
}

// Close ends the watches.
func (f *Finder) Close() { f.watches.close() }
