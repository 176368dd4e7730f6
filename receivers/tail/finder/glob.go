package finder

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A Glob is a path in which each part may use the wildcards of filepath.Match, and a part ** stands for any number of
// folders, also none.
type Glob struct {
	root  string   // what stands before the first wildcard, a folder or the whole path
	parts []string // the rest
}

const anyDepth = "**"

// maxDepth bounds how deep ** goes below its root.
const maxDepth = 32

// ParseGlobs reads a list of globs.
func ParseGlobs(list []string) ([]Glob, error) {
	var out []Glob
	for _, s := range list {
		g, err := ParseGlob(s)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// ParseGlob reads one glob. A relative one begins in the working directory.
func ParseGlob(s string) (Glob, error) {
	if _, err := filepath.Match(s, ""); err != nil || s == "" {
		return Glob{}, fmt.Errorf("%q is not a glob", s)
	}
	abs, err := filepath.Abs(s)
	if err != nil {
		return Glob{}, fmt.Errorf("cannot use glob %q: %w", s, err)
	}
	parts := strings.Split(strings.TrimPrefix(abs, "/"), "/")
	n := 0
	for n < len(parts) && !strings.ContainsAny(parts[n], `*?[\`) {
		n++
	}
	return Glob{root: "/" + strings.Join(parts[:n], "/"), parts: parts[n:]}, nil
}

// Match says whether an absolute path fits.
func (g Glob) Match(path string) bool {
	if len(g.parts) == 0 {
		return path == g.root
	}
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(g.root, "/")+"/")
	return ok && matchParts(g.parts, strings.Split(rest, "/"))
}

func matchAny(globs []Glob, path string) bool {
	return slices.ContainsFunc(globs, func(g Glob) bool { return g.Match(path) })
}

func matchParts(glob, path []string) bool {
	for len(glob) > 0 {
		if glob[0] == anyDepth {
			for skip := 0; skip <= len(path); skip++ {
				if matchParts(glob[1:], path[skip:]) {
					return true
				}
			}
			return false
		}
		if len(path) == 0 {
			return false
		}
		if ok, _ := filepath.Match(glob[0], path[0]); !ok {
			return false
		}
		glob, path = glob[1:], path[1:]
	}
	return len(path) == 0
}
