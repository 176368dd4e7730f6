package rows

import (
	"strings"
	"testing"
)

// FuzzRest: what appendRest writes EachRest reads, and damage does no harm.
func FuzzRest(f *testing.F) {
	f.Add("a", "b", "c", strings.Repeat("d", 300))
	f.Add("", "", "\x80", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		var got []string
		EachRest(string(appendRest(appendRest(nil, k1, v1), k2, v2)), func(k, v string) { got = append(got, k, v) })
		if len(got) != 4 || got[0] != k1 || got[1] != v1 || got[2] != k2 || got[3] != v2 {
			t.Fatalf("%q became %q", []string{k1, v1, k2, v2}, got)
		}
		EachRest(k1+v1+k2+v2, func(string, string) {})
	})
}
