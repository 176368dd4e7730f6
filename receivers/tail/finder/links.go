package finder

import (
	"fmt"
	"path/filepath"
	"strings"
)

// A log folder may be writable to programs that may not read what we may: a link there must not make us ship a file of
// another folder. So a link is followed into the folders that are allowed, to a file beside it, and to what the globs give
// anyway.

// FollowLinks says below which folders links may lead.
func (f *Finder) FollowLinks(roots []string) { f.roots = roots }

// follow is where a path with a link in it leads. ok false: nowhere, or not to where links may lead; the latter is told.
func (f *Finder) follow(path string) (real string, ok bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
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
		return true // beside it: current.log leads to today's
	}
	for _, root := range f.roots {
		if below(root, real) {
			return true
		}
		// /var/log itself may be a link.
		if resolved, err := filepath.EvalSymlinks(root); err == nil && below(resolved, real) {
			return true
		}
	}
	return false
}

func below(root, path string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(filepath.Clean(root), "/")+"/")
}
