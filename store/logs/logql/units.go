package logql

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Prometheus' units beyond package time.
var longUnits = map[string]time.Duration{
	"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "y": 365 * 24 * time.Hour,
}

var sizeUnits = map[string]float64{
	"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "pb": 1e15,
	"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "pib": 1 << 50,
	"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40, "pi": 1 << 50,
}

// ParseDuration parses Go's and Prometheus' durations with optional sign: 1h30m, 1.5s, 250ms, 2d.
func ParseDuration(s string) (time.Duration, bool) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, s != "0" && s != "+0" && s != "-0"
	}
	rest, neg := strings.CutPrefix(s, "-")
	var total float64
	for rest != "" {
		n := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n <= 0 {
			return 0, false
		}
		v, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return 0, false
		}
		rest = rest[n:]
		n = strings.IndexFunc(rest, func(r rune) bool { return r >= '0' && r <= '9' || r == '.' })
		if n < 0 {
			n = len(rest)
		}
		unit, ok := longUnits[rest[:n]]
		if !ok {
			d, err := time.ParseDuration("1" + rest[:n])
			if err != nil {
				return 0, false
			}
			unit = d
		}
		total += v * float64(unit)
		rest = rest[n:]
	}
	if s == "" || s == "-" || total > math.MaxInt64 {
		return 0, false
	}
	if neg {
		total = -total
	}
	return time.Duration(total), true
}

// parseSize parses a number with a byte unit: 20MB, 1KiB, 5 kb, 42B.
func parseSize(s string) (float64, bool) {
	n := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if n <= 0 {
		return 0, false
	}
	v, err := strconv.ParseFloat(s[:n], 64)
	if err != nil {
		return 0, false
	}
	unit, ok := sizeUnits[strings.ToLower(strings.TrimLeft(s[n:], " "))]
	return v * unit, ok
}

// readSize reads a value as Loki's filters do (go-humanize): the unit may be missing, and there is no sign or exponent.
func readSize(s string) (float64, error) {
	digits := s[:len(s)-len(strings.TrimLeft(s, "0123456789.,"))]
	v, err := strconv.ParseFloat(strings.ReplaceAll(digits, ",", ""), 64)
	if err != nil {
		return 0, err
	}
	name := strings.ToLower(strings.TrimSpace(s[len(digits):]))
	unit, ok := sizeUnits[name]
	switch {
	case name == "":
		unit = 1
	case name == "e" || name == "eb":
		unit = 1e18
	case name == "ei" || name == "eib":
		unit = 1 << 60
	case !ok:
		return 0, fmt.Errorf("unhandled size name: %s", name)
	}
	if v *= unit; v >= math.MaxUint64 {
		return 0, fmt.Errorf("too large: %s", s)
	}
	return math.Floor(v), nil
}

// IsSize reports whether s is a number with a byte unit.
func IsSize(s string) bool {
	_, ok := parseSize(s)
	return ok
}
