package rows

import "time"

// NsPerDay is the library's partition length.
const NsPerDay = int64(24 * time.Hour)

// DayOf returns the UTC day of a time.
func DayOf(ns int64) int64 { return ns / NsPerDay }

// DayName is the library's folder name for a day.
func DayName(day int64) string { return time.Unix(0, day*NsPerDay).UTC().Format("20060102") }

// ParseDay parses a DayName.
func ParseDay(name string) (int64, bool) {
	t, err := time.Parse("20060102", name)
	return t.UnixNano() / NsPerDay, err == nil
}
