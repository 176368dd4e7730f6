//go:build unix && !linux

package finder

// watches do not exist here: folders are swept.
type watches struct{}

func (*watches) add(string, *folder) {}

func (*watches) remove(*folder) {}

func (*watches) read(func(dir string, watch int, gone bool)) (all bool) { return false }

func (*watches) close() {}
