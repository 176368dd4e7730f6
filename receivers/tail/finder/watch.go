package finder

// Changed processes kernel events and reports whether FindChanged has work. Missed events are caught by the next Find.
func (f *Finder) Changed() bool {
	all := f.watches.read(func(dir string, watch int, gone bool) {
		if d := f.folders[dir]; d != nil && d.watch == watch {
			d.changed, f.changed[dir] = true, true
			if gone {
				d.watch = 0
			}
		}
	})
	if all {
		for dir, d := range f.folders {
			d.changed, f.changed[dir] = true, true
		}
	}
	return len(f.changed) > 0
}

// Close ends the watches.
func (f *Finder) Close() { f.watches.close() }
