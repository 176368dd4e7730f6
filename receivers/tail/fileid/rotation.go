package fileid

import (
	"path/filepath"
	"strings"
)

// IsRotatedName says whether name is what a rotation makes of base: app.log.1, app.log-20260101, 0.log.20260101-101112
// (kubelet), app-2026-01-01T10-11-12.000.log (lumberjack), app.1.log, app.log.old.
func IsRotatedName(base, name string) bool {
	if name == base {
		return false
	}
	if rest, ok := strings.CutPrefix(name, base); ok {
		return isStamp(rest) || rest == ".old" || rest == ".bak" || rest == "~"
	}
	ext := filepath.Ext(base)
	rest, ok := strings.CutPrefix(name, strings.TrimSuffix(base, ext))
	rest, same := strings.CutSuffix(rest, ext)
	return ok && same && isStamp(rest)
}

// isStamp says whether s is a separator and then a number, a date or a time.
func isStamp(s string) bool {
	return len(s) > 1 && strings.Trim(s[:1], ".-_") == "" && strings.ContainsAny(s, "0123456789") && strings.Trim(s, "0123456789.-_:+TZ") == ""
}
