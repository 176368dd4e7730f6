package checkpoint

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

func testEntries(n int) []Entry {
	var out []Entry
	for i := range n {
		out = append(out, Entry{
			Key:         fileid.Key{Dev: uint64(i), Ino: uint64(100 + i), Birth: int64(i) * 1e18},
			Fingerprint: fileid.FingerprintOf(bytes.Repeat([]byte{'x'}, i*37)),
			Offset:      int64(i) * 1000, Size: int64(i) * 1001, Modified: 7, Seen: 8,
			Path: fmt.Sprintf("/var/log/%02d \n\"\xff.log", i),
		})
	}
	return out
}

func TestCheckpointRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 9} {
		want := testEntries(n)
		got, err := Decode(Encode(want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%d: %v, %+v", n, err, got)
		}
	}
}

// TestCheckpointDamage changes, cuts, doubles and removes at every byte: it must be noticed, cost no more than the
// entries of the lines it touched, and never make an entry that was not written.
func TestCheckpointDamage(t *testing.T) {
	want := testEntries(4)
	good := Encode(want)
	check := func(what string, at int, b []byte, mayLose int) {
		t.Helper()
		got, err := Decode(b)
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%s at %d: not noticed", what, at)
		}
		whole := 0
		for _, g := range got {
			known := false
			for _, w := range want {
				known = known || reflect.DeepEqual(g, w)
			}
			if !known {
				t.Fatalf("%s at %d: made up %+v", what, at, g)
			}
			whole++
		}
		if whole < len(want)-mayLose {
			t.Fatalf("%s at %d: %d of %d entries left", what, at, whole, len(want))
		}
	}
	for i := range good {
		for _, x := range []byte{0x01, 0x20, 0x80, 0xff} {
			b := bytes.Clone(good)
			b[i] ^= x
			check("flip", i, b, 2) // a newline that is flipped joins two lines
		}
		check("cut", i, good[:i], len(want))
		check("remove", i, append(bytes.Clone(good[:i]), good[i+1:]...), 2)
		check("insert", i, append(append(bytes.Clone(good[:i]), 0), good[i:]...), 2)
		check("zero the rest", i, append(bytes.Clone(good[:i]), make([]byte, len(good)-i)...), len(want))
	}
}

func FuzzDecodeCheckpoint(f *testing.F) {
	f.Add(Encode(testEntries(3)))
	f.Add([]byte(""))
	f.Add([]byte("00000000 end 0\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(Encode(entries))
		if err != nil || !reflect.DeepEqual(again, entries) {
			t.Fatalf("%v: %+v is read back as %+v", err, entries, again)
		}
	})
}
