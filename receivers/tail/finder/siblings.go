package finder

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

// Siblings are the regular files of folders, as they were when each was first asked for since Reset: when a thousand
// files of one folder are rotated or deleted at once, it is read once.
type Siblings struct {
	folders map[string]*siblings
}

type siblings struct {
	paths   []string
	folders []string
	found   map[uint64]File // by inode; nil before the first search by identity
}

// Reset forgets the folders: the next question reads them again.
func (s *Siblings) Reset() { clear(s.folders) }

// maxFolders is how many folders of a folder are searched.
const maxFolders = 64

// Find is where a file is now, if it is in the folder or in one right below it (logrotate's olddir).
func (s *Siblings) Find(dir string, key fileid.Key) (path string, ok bool) {
	if path, ok = s.find(dir, key); ok {
		return path, true
	}
	folders := s.read(dir).folders
	for _, below := range folders[:min(len(folders), maxFolders)] {
		if path, ok = s.find(below, key); ok {
			return path, true
		}
	}
	return "", false
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
	// The device may have another number since the restart of the machine.
	renumbered := key.Birth != 0 && key.Birth == f.Stat.Birth
	return f.Path, ok && (f.Stat.Same(key) || renumbered)
}

// In are the paths of the folder's files.
func (s *Siblings) In(dir string) []string { return s.read(dir).paths }

// Rotated are the files of a folder that bear a rotated name of path.
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
