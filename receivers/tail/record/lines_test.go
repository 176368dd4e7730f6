package record

import (
	"bytes"
	"testing"
)

func FuzzAppendRepaired(f *testing.F) {
	for _, s := range []string{"", "a", "\xff", "a\xff\xfeb\xf0\x9f\x98\x80\xf0\x9f", "\uFFFD\xff\uFFFD", "\xed\xa0\x80"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if got, want := appendRepaired(nil, body), bytes.ToValidUTF8(body, []byte("\uFFFD")); !bytes.Equal(got, want) {
			t.Fatalf("%q: %q, want %q", body, got, want)
		}
	})
}
