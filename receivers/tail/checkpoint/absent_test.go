package checkpoint

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

func TestClaim(t *testing.T) {
	content := []byte("the first line\nthe second line\n")
	key := fileid.Key{Dev: 1, Ino: 2, Birth: 3}
	kept := Entry{Key: key, Fingerprint: fileid.FingerprintOf(content[:10]), Mark: fileid.MarkOf(15, content[:15]), Offset: 15, Size: 31, Path: "/var/log/a.log"}
	for _, tt := range []struct {
		name   string
		change func(c *Claim)
		want   bool
		lost   int64
	}{
		{name: "the same", change: func(*Claim) {}, want: true},
		{name: "renamed", change: func(c *Claim) { c.Name = "/var/log/a.log.1" }, want: true},
		{name: "grown", change: func(c *Claim) { c.Stat.Size, c.Prefix = 40, append(c.Prefix, "the third"...) }, want: true},
		{name: "birth unknown", change: func(c *Claim) { c.Stat.Birth = 0 }, want: true},
		{name: "device renumbered", change: func(c *Claim) { c.Stat.Dev = 9 }, want: true},
		{name: "device renumbered, renamed", change: func(c *Claim) { c.Stat.Dev, c.Name = 9, "/var/log/a.log.1" }, want: true},
		{name: "device renumbered, renamed, birth unknown", change: func(c *Claim) { c.Stat.Key, c.Name = fileid.Key{Dev: 9, Ino: 2}, "/var/log/a.log.1" }},
		{name: "other bytes before the place", change: func(c *Claim) { c.File = strings.NewReader("the first linX\nthe second line\n") }, lost: 16},
		{name: "inode reused, other birth", change: func(c *Claim) { c.Stat.Birth = 4 }},
		{name: "inode reused, other content", change: func(c *Claim) { c.Prefix = []byte("another line, quite another\n") }, lost: 16},
		{name: "inode reused, shorter", change: func(c *Claim) { c.Stat.Size, c.Prefix = 14, content[:14] }, lost: 16},
		{name: "inode reused, shorter than the fingerprint", change: func(c *Claim) { c.Stat.Size, c.Prefix = 5, content[:5] }, lost: 16},
		{name: "another device", change: func(c *Claim) { c.Stat.Dev, c.Name = 9, "/mnt/a.log" }},
		{name: "another inode", change: func(c *Claim) { c.Stat.Ino = 9 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New("", nil, nil)
			s.Leave(kept, false)
			c := Claim{Name: kept.Path, Stat: fileid.Stat{Key: key, Size: 31}, Prefix: append([]byte(nil), content...), File: bytes.NewReader(content)}
			tt.change(&c)
			e, ok, stale := s.Claim(c)
			if ok != tt.want || ok && e != kept {
				t.Errorf("claimed %t: %+v", ok, e)
			}
			var lost int64
			for _, e := range stale {
				lost += e.Unread()
			}
			if lost != tt.lost {
				t.Errorf("%d bytes are lost with the stale entries, want %d", lost, tt.lost)
			}
			if _, again, stale := s.Claim(c); again || len(stale) > 0 {
				t.Error("claimed twice")
			}
		})
	}
}

// TestGiveUp: what was counted as lost is not counted again, and the place in the file is kept.
func TestGiveUp(t *testing.T) {
	s := New("", nil, nil)
	s.Leave(Entry{Key: fileid.Key{Ino: 1}, Offset: 10, Size: 30, Path: "/a.log"}, false)
	for range 2 {
		for _, e := range s.Absent("/a.log") {
			s.GiveUp(e)
		}
		if got := s.AbsentByPath()["/a.log"]; len(got) != 1 || got[0].Unread() != 0 || got[0].Offset != 10 {
			t.Errorf("%+v", got)
		}
	}
	if got := s.Absent("/b.log"); got != nil {
		t.Errorf("%+v", got)
	}
}

// TestDeletedFilesAreSoonForgotten: of files that were deleted the place is kept for an hour, of others for days.
func TestDeletedFilesAreSoonForgotten(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := New("", nil, nil)
	s.Leave(Entry{Key: fileid.Key{Ino: 1}, Seen: now.Unix(), Path: "/unmounted.log"}, false)
	s.Leave(Entry{Key: fileid.Key{Ino: 2}, Seen: now.Unix(), Path: "/deleted.log"}, true)
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{forgetDeleted - time.Minute, 2}, {forgetDeleted + time.Minute, 1}, {forgetAfter - time.Minute, 1}, {forgetAfter + time.Minute, 0}} {
		if got := s.entries(now.Add(tt.after), func(time.Time) []Entry { return nil }); len(got) != tt.want {
			t.Errorf("after %s: %+v", tt.after, got)
		}
	}
}

func TestAbsentIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	a := absent{}
	for i := range maxAbsent + 100 {
		a.add(Entry{Key: fileid.Key{Ino: uint64(i % 5000), Dev: uint64(i)}, Seen: now.Unix() - int64(i)})
	}
	a.add(Entry{Key: fileid.Key{Ino: 1, Dev: 1 << 40}, Seen: now.Add(-forgetAfter - time.Second).Unix()})
	if kept := a.prune(now); len(kept) != maxAbsent || kept[len(kept)-1].Seen != now.Unix()-maxAbsent+1 {
		t.Errorf("%d are kept, the oldest of %d", len(kept), now.Unix()-kept[len(kept)-1].Seen)
	}
	left := 0
	for _, list := range a {
		left += len(list)
	}
	if left != maxAbsent {
		t.Errorf("%d are left", left)
	}
}
