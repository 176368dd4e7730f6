//go:build unix && !linux

package finder

// watches do not exist here: folders are swept.
type watches struct{}

func (*watches) add(string, *Folder) {}

func (*watches) remove(*Folder) {}

func (*watches) read(func(dir string, watch int, gone bool)) (all bool) { return false }

func (*watches) close() {}
