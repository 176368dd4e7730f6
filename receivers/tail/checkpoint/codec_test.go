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
			Mark:        fileid.MarkOf(int64(i)*1000, bytes.Repeat([]byte{'y'}, min(i*100, 300))),
			Offset:      int64(i) * 1000, Size: int64(i) * 1001, Modified: 7, Seen: 8,
			Path: fmt.Sprintf("/var/log/%02d \n\"\xff.log", i),
		})
	}
	if n > 2 {
		out[2].As = "/var/log/pods/ns_p_u/c/0 \"\xff.log"
		out[1].Link = "/var/log/containers/a b.log"
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

// TestCheckpointDamage changes, cuts, doubles and removes at every byte: it must be noticed, cost only the entries of
// damaged lines, and never invent an entry.
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

// TestCheckpointChanges: changes stand behind the end and win; one that is cut short is none, one that is damaged is said.
func TestCheckpointChanges(t *testing.T) {
	b := Encode(testEntries(3))
	moved, added := testEntries(2)[1], testEntries(5)[4]
	moved.Offset += 500
	b = appendEntry(b, moved)
	b = appendEntry(b, added)
	b = appendGone(b, testEntries(1)[0].name())
	whole := len(b)
	b = appendEntry(b, testEntries(5)[3])
	for cut := whole; cut < len(b)-1; cut++ {
		got, err := Decode(b[:cut])
		if want := []Entry{moved, testEntries(3)[2], added}; err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("cut at %d: %v, %+v, want %+v", cut, err, got, want)
		}
	}
	b[whole-5] ^= 1
	if got, err := Decode(b); err == nil || len(got) != 5 {
		t.Errorf("a damaged change: %v, %d entries", err, len(got))
	}
}

// TestTheFirstFormatIsRead: an agent that was updated goes on where the older one stopped.
func TestTheFirstFormatIsRead(t *testing.T) {
	want := testEntries(2)[1]
	want.Mark = fileid.Mark{}
	b := appendLine(nil, head1)
	b = appendLine(b, "%d %d %d %s %d %d %d %d %q", want.Key.Dev, want.Key.Ino, want.Key.Birth, want.Fingerprint, want.Offset, want.Size, want.Modified, want.Seen, want.Path)
	b = appendLine(b, "end 1")
	if got, err := Decode(b); err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("%v, %+v", err, got)
	}
}

func FuzzDecodeCheckpoint(f *testing.F) {
	f.Add(Encode(testEntries(3)))
	f.Add(appendGone(appendEntry(Encode(testEntries(3)), testEntries(5)[4]), testEntries(1)[0].name()))
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
