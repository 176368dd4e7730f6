package finder

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A Glob is a path with the wildcards of filepath.Match; a part ** matches any number of folders, including none.
type Glob struct {
	root  string   // folder before the first wildcard, or the whole path
	parts []string // the rest
}

const anyDepth = "**"

// maxDepth limits how deep ** goes.
const maxDepth = 32

// maxGlobs limits the expansions of braces.
const maxGlobs = 1000

// ParseGlobs parses globs and expands braces.
func ParseGlobs(list []string) ([]Glob, error) {
	var out []Glob
	for _, s := range list {
		if err := unexpanded(s); err != nil {
			return nil, err
		}
		alternatives, err := braces(s)
		if err != nil {
			return nil, fmt.Errorf("%q is not a glob: %w", s, err)
		}
		for _, s := range alternatives {
			g, err := ParseGlob(s)
			if err != nil {
				return nil, err
			}
			out = append(out, g)
		}
	}
	return out, nil
}

// unexpanded rejects ~ and variables, which only a shell expands.
func unexpanded(s string) error {
	if strings.HasPrefix(s, "~") {
		return fmt.Errorf("%q begins with ~, which only a shell expands: write the whole path, for example with ${env:HOME}", s)
	}
	if i := strings.IndexByte(s, '$'); i >= 0 && i+1 < len(s) && (s[i+1] == '{' || s[i+1] == '_' || s[i+1]|0x20 >= 'a' && s[i+1]|0x20 <= 'z') {
		return fmt.Errorf("%q has a variable that nobody expands: write ${env:NAME}, or [$] for a dollar sign that is in the name", s)
	}
	return nil
}

func braces(s string) ([]string, error) {
	open, commas, depth := -1, []int(nil), 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '{':
			if depth++; depth == 1 {
				open, commas = i, nil
			}
		case c == ',' && depth == 1:
			commas = append(commas, i)
		case c == '}' && depth > 0:
			if depth--; depth > 0 {
				continue
			}
			if len(commas) == 0 {
				return nil, fmt.Errorf(`%s has no comma: list the alternatives as {a,b}, or write \{ for a brace that is in the name`, s[open:i+1])
			}
			rest, err := braces(s[i+1:])
			if err != nil {
				return nil, err
			}
			var out []string
			for n, from := range append([]int{open}, commas...) {
				to := i
				if n < len(commas) {
					to = commas[n]
				}
				inner, err := braces(s[from+1 : to])
				if err != nil {
					return nil, err
				}
				for _, a := range inner {
					for _, b := range rest {
						out = append(out, s[:open]+a+b)
					}
				}
				if len(out) > maxGlobs {
					return nil, fmt.Errorf("its braces make more than %d globs", maxGlobs)
				}
			}
			return out, nil
		}
	}
	if depth > 0 {
		return nil, fmt.Errorf("a { is not closed: write \\{ for a brace that is in the name")
	}
	return []string{s}, nil
}

// ParseGlob parses one glob without braces.
func ParseGlob(s string) (Glob, error) {
	if _, err := filepath.Match(s, ""); err != nil || s == "" {
		return Glob{}, fmt.Errorf("%q is not a glob: use *, ?, [a-z], {a,b} and **", s)
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

// Match reports whether an absolute path matches.
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
