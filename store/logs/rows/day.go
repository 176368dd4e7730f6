package rows

import "time"

// NsPerDay is the length of a day, the library's unit of partition.
const NsPerDay = int64(24 * time.Hour)

// DayOf is the number of the UTC day that a time lies in.
func DayOf(ns int64) int64 { return ns / NsPerDay }

// DayName is how the library calls a day's folder.
func DayName(day int64) string { return time.Unix(0, day*NsPerDay).UTC().Format("20060102") }

// ParseDay reads what DayName writes.
func ParseDay(name string) (int64, bool) {
	t, err := time.Parse("20060102", name)
	return t.UnixNano() / NsPerDay, err == nil
}
