package finder

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

// Siblings caches the regular files of folders until Reset: if a thousand files of a folder rotate at once, it is read once.
type Siblings struct {
	folders map[string]*siblings
}

type siblings struct {
	paths   []string
	folders []string
	found   map[uint64]File // by inode; nil before the first search
}

// Reset empties the cache.
func (s *Siblings) Reset() { clear(s.folders) }

const maxFolders = 64

// Find searches the folder and its direct subfolders (logrotate's olddir).
func (s *Siblings) Find(dir string, key fileid.Key) (path string, ok bool) {
	if path, ok = s.find(dir, key); ok {
		return path, true
	}
	for _, below := range s.below(dir) {
		if path, ok = s.find(below, key); ok {
			return path, true
		}
	}
	return "", false
}

func (s *Siblings) below(dir string) []string {
	folders := s.read(dir).folders
	return folders[:min(len(folders), maxFolders)]
}

// Places returns the folders that rotated files of path may be in: its own and direct subfolders without a file of its name.
func (s *Siblings) Places(path string) []string {
	dir, base := filepath.Split(path)
	dir = filepath.Clean(dir)
	out := []string{dir}
	for _, below := range s.below(dir) {
		if !slices.Contains(s.read(below).paths, filepath.Join(below, base)) {
			out = append(out, below)
		}
	}
	return out
}

func (s *Siblings) find(dir string, key fileid.Key) (path string, ok bool) {
	b := s.read(dir)
	if b.found == nil {
		b.found = map[uint64]File{}
		for _, path := range b.paths {
			if st, err := fileid.StatPath(path); err == nil {
				b.found[st.Ino] = File{Path: path, Stat: st}
			}
		}
	}
	f, ok := b.found[key.Ino]
	// The device number may change with a reboot.
	renumbered := key.Birth != 0 && key.Birth == f.Stat.Birth
	return f.Path, ok && (f.Stat.Same(key) || renumbered)
}

// In returns the paths of the folder's files.
func (s *Siblings) In(dir string) []string { return s.read(dir).paths }

// Rotated returns files with a rotated name of path.
func (s *Siblings) Rotated(dir, path string) []File {
	var out []File
	base := filepath.Base(path)
	for _, other := range s.read(dir).paths {
		if !fileid.IsRotatedName(base, filepath.Base(other)) {
			continue
		}
		if st, err := fileid.StatPath(other); err == nil {
			out = append(out, File{Path: other, Stat: st})
		}
	}
	return out
}

func (s *Siblings) read(dir string) *siblings {
	if b := s.folders[dir]; b != nil {
		return b
	}
	b := &siblings{}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		switch e.Type() {
		case 0:
			b.paths = append(b.paths, filepath.Join(dir, e.Name()))
		case fs.ModeDir:
			b.folders = append(b.folders, filepath.Join(dir, e.Name()))
		}
	}
	if s.folders == nil {
		s.folders = map[string]*siblings{}
	}
	s.folders[dir] = b
	return b
}
