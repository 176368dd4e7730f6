package fileid

import (
	"path/filepath"
	"strings"
)

// IsRotatedName recognizes app.log.1, app.log-20260101, app.1.log, app.log.old, 0.log.20260101-101112 (kubelet),
// app-2026-01-01T10-11-12.000.log (lumberjack), and for current: @400000006956b5c02a0b1c2d.s (svlogd, multilog, s6-log).
func IsRotatedName(base, name string) bool {
	if name == base {
		return false
	}
	if base == "current" && (isTAI64N(name) || name == "previous") {
		return true
	}
	if rest, ok := strings.CutPrefix(name, base); ok {
		return isStamp(rest) || rest == ".old" || rest == ".bak" || rest == "~"
	}
	ext := filepath.Ext(base)
	rest, ok := strings.CutPrefix(name, strings.TrimSuffix(base, ext))
	rest, same := strings.CutSuffix(rest, ext)
	return ok && same && isStamp(rest)
}

// IsDerivedName also accepts manual copies such as app.log.before-upgrade.
func IsDerivedName(base, name string) bool {
	rest, ok := strings.CutPrefix(name, base)
	return IsRotatedName(base, name) || ok && strings.Contains(base, ".") && len(rest) > 1 && strings.ContainsAny(rest[:1], separators)
}

// Originals returns the names that name may be derived from.
func Originals(name string) []string {
	var out []string
	ext := filepath.Ext(name)
	for n := 1; n < len(name); n++ {
		for _, base := range []string{name[:n], name[:n] + ext} {
			if IsDerivedName(base, name) && (len(out) == 0 || out[len(out)-1] != base) {
				out = append(out, base)
			}
		}
	}
	if isTAI64N(name) || name == "previous" {
		out = append(out, "current")
	}
	return out
}

const separators = ".-_"

// isStamp matches a separator and a number, date or time.
func isStamp(s string) bool {
	return len(s) > 1 && strings.ContainsAny(s[:1], separators) && strings.ContainsAny(s, "0123456789") && strings.Trim(s, "0123456789.-_:+TZ") == ""
}

// isTAI64N matches an external TAI64N timestamp with its suffix: .s for a finished file, .u or .t for an unfinished one.
func isTAI64N(name string) bool {
	stamp, state, _ := strings.Cut(strings.TrimPrefix(name, "@"), ".")
	return len(name) == len(stamp)+len(state)+2 && len(stamp) == 24 && strings.Trim(stamp, "0123456789abcdef") == "" && len(state) == 1 && strings.Contains("stu", state)
}
