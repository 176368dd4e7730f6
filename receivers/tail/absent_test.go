package tail

import (
	"testing"
	"time"
)

func TestClaim(t *testing.T) {
	content := []byte("the first line\nthe second line\n")
	key := fileKey{dev: 1, ino: 2, birth: 3}
	kept := entry{key: key, mark: fingerprintOf(content[:10]), offset: 15, size: 31, path: "/var/log/a.log"}
	for _, tt := range []struct {
		name   string
		change func(name *string, s *stat, prefix *[]byte)
		want   bool
		lost   float64
	}{
		{name: "the same", change: func(*string, *stat, *[]byte) {}, want: true},
		{name: "renamed", change: func(n *string, _ *stat, _ *[]byte) { *n = "/var/log/a.log.1" }, want: true},
		{name: "grown", change: func(_ *string, s *stat, p *[]byte) { s.size, *p = 40, append(*p, "the third"...) }, want: true},
		{name: "birth unknown", change: func(_ *string, s *stat, _ *[]byte) { s.key.birth = 0 }, want: true},
		{name: "device renumbered", change: func(_ *string, s *stat, _ *[]byte) { s.key.dev = 9 }, want: true},
		{name: "inode reused, other birth", change: func(_ *string, s *stat, _ *[]byte) { s.key.birth = 4 }},
		{name: "inode reused, other content", change: func(_ *string, _ *stat, p *[]byte) { *p = []byte("another line, quite another\n") }, lost: 16},
		{name: "inode reused, shorter", change: func(_ *string, s *stat, p *[]byte) { s.size, *p = 14, content[:14] }, lost: 16},
		{name: "inode reused, shorter than the fingerprint", change: func(_ *string, s *stat, p *[]byte) { s.size, *p = 5, content[:5] }, lost: 16},
		{name: "another device", change: func(n *string, s *stat, _ *[]byte) { s.key.dev, *n = 9, "/mnt/a.log" }},
		{name: "another inode", change: func(_ *string, s *stat, _ *[]byte) { s.key.ino = 9 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			w.stop()
			w.start() // a receiver that is running but knows nothing
			w.receiver.keep.leave(kept)
			name, s, prefix := kept.path, stat{key: key, size: 31}, append([]byte(nil), content...)
			tt.change(&name, &s, &prefix)
			e, ok := w.receiver.keep.claim(name, s, prefix)
			if ok != tt.want || ok && e != kept {
				t.Errorf("claimed %t: %+v", ok, e)
			}
			if _, again := w.receiver.keep.claim(name, s, prefix); again {
				t.Error("claimed twice")
			}
			if got := w.counters()["lost_bytes_total truncated_unread"]; got != tt.lost {
				t.Errorf("%g bytes are counted as lost", got)
			}
			w.stop()
		})
	}
}

func TestAbsentIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	a := absent{}
	for i := range maxAbsent + 100 {
		a.add(entry{key: fileKey{ino: uint64(i % 5000), dev: uint64(i)}, seen: now.Unix() - int64(i)})
	}
	a.add(entry{key: fileKey{ino: 1, dev: 1 << 40}, seen: now.Add(-forgetAfter - time.Second).Unix()})
	if kept := a.prune(now); len(kept) != maxAbsent || kept[len(kept)-1].seen != now.Unix()-maxAbsent+1 {
		t.Errorf("%d are kept, the oldest of %d", len(kept), now.Unix()-kept[len(kept)-1].seen)
	}
	left := 0
	for _, list := range a {
		left += len(list)
	}
	if left != maxAbsent {
		t.Errorf("%d are left", left)
	}
}
