package finder

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Programs that can write to a log folder must not make us ship files of other folders through a link. So a link may only
// point into allowed folders, into its own folder, or to files that the globs match.

// FollowLinks sets the allowed folders.
func (f *Finder) FollowLinks(roots []string) { f.roots = roots }

// follow resolves path. ok is false if the target does not exist or is not allowed; the latter is reported.
func (f *Finder) follow(path string) (real string, ok bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		if os.IsNotExist(err) {
			f.nowhere(path)
		}
		f.failed(path, err)
		return "", false
	}
	if real != path && !f.mayFollow(path, real) {
		f.unreadable(path, fmt.Errorf(`it is a link to %s, which is outside "follow_symlinks"; add that folder there if it is to be read`, real))
		return "", false
	}
	return real, true
}

func (f *Finder) mayFollow(path, real string) bool {
	if matchAny(f.include, real) {
		return true
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil && dir == filepath.Dir(path) && dir == filepath.Dir(real) {
		return true // same folder: current.log points to today's file
	}
	for _, root := range f.roots {
		if below(root, real) {
			return true
		}
		// /var/log may be a link.
		if resolved, err := filepath.EvalSymlinks(root); err == nil && below(resolved, real) {
			return true
		}
	}
	return false
}

func below(root, path string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(filepath.Clean(root), "/")+"/")
}
