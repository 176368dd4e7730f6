package store

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes, such as 5GiB, 512MB or 1048576.
type Size int64

// units end with B, which the others end in.
var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// UnmarshalText parses a size.
func (s *Size) UnmarshalText(text []byte) error {
	t := strings.TrimSpace(string(text))
	factor := int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(t, u.name); ok {
			t, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	v, err := strconv.ParseFloat(t, 64)
	if err != nil || v < 0 || v*float64(factor) > 1<<60 {
		return fmt.Errorf("%q is not a size; write a number and a unit, as in 5GiB or 512MB", text)
	}
	*s = Size(v * float64(factor))
	return nil
}

// String uses the largest unit that fits.
func (s Size) String() string {
	for _, u := range units[:4] {
		if int64(s) >= u.bytes && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
