package record

import (
	"bytes"
	"encoding/binary"
	"time"
)

// clock parses the RFC 3339 times of container runtimes. It caches the last second, because thousands of lines share one;
// then only the fraction is parsed.
type clock struct {
	prefix [secondLen]byte // "2006-01-02T15:04:05" of the last time
	unix   int64           // its seconds since 1970, zone not yet applied
}

const (
	secondLen  = len("2006-01-02T15:04:05")
	longestRFC = 64 // no RFC 3339 time with a sane fraction is longer
)

// lastSecond is the last second whose nanoseconds since 1970 fit into an int64.
const lastSecond = 1<<63/1_000_000_000 - 1

// parse reads the time at the start of b, which must end at a space or at the end of b, and returns its length. Times before
// 1970 and after 2262 are refused.
func (c *clock) parse(b []byte) (ns uint64, n int, ok bool) {
	if len(b) <= secondLen || b[0]-'0' > 9 {
		return 0, 0, false
	}
	if string(b[:secondLen]) != string(c.prefix[:]) && !c.second(b) {
		return slowTime(b)
	}
	unix, n := c.unix, secondLen
	var frac uint64
	if b[n] == '.' {
		frac, n, ok = fraction(b, n+1)
		if !ok {
			return slowTime(b)
		}
	}
	if n >= len(b) {
		return slowTime(b)
	}
	if b[n] == 'Z' {
		n++
	} else {
		offset, ok := zone(b[n:])
		if !ok {
			return slowTime(b)
		}
		unix -= offset
		n += len("+00:00")
	}
	if n < len(b) && b[n] != ' ' || unix < 0 || unix > lastSecond {
		return slowTime(b)
	}
	return uint64(unix)*1_000_000_000 + frac, n, true
}

// second parses "2006-01-02T15:04:05" and caches it.
func (c *clock) second(b []byte) bool {
	if b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return false
	}
	year, ok1 := digits4(b)
	month, ok2 := digits2(b[5:])
	day, ok3 := digits2(b[8:])
	hour, ok4 := digits2(b[11:])
	minute, ok5 := digits2(b[14:])
	sec, ok6 := digits2(b[17:])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6) || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || sec > 59 {
		return false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, sec, 0, time.UTC)
	if t.Day() != day { // such as April 31
		return false
	}
	c.unix = t.Unix()
	copy(c.prefix[:], b)
	return true
}

// fraction parses the digits from b[n] as nanoseconds; digits after the ninth are ignored.
func fraction(b []byte, n int) (ns uint64, end int, ok bool) {
	if len(b) >= n+9 {
		if v, all := digits8(b[n:]); all {
			if d := b[n+8] - '0'; d <= 9 {
				ns, n = v*10+uint64(d), n+9
				for n < len(b) && b[n]-'0' <= 9 {
					n++
				}
				return ns, n, true
			}
		}
	}
	start := n
	scale := uint64(100_000_000)
	for n < len(b) && b[n]-'0' <= 9 {
		ns += uint64(b[n]-'0') * scale
		scale /= 10
		n++
	}
	return ns, n, n > start
}

// zone parses "+07:00" as seconds east of UTC.
func zone(b []byte) (int64, bool) {
	if len(b) < 6 || b[3] != ':' || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	h, ok1 := digits2(b[1:])
	m, ok2 := digits2(b[4:])
	if !ok1 || !ok2 || h > 23 || m > 59 {
		return 0, false
	}
	s := int64(h)*3600 + int64(m)*60
	if b[0] == '-' {
		s = -s
	}
	return s, true
}

func digits2(b []byte) (int, bool) {
	hi, lo := b[0]-'0', b[1]-'0'
	return int(hi)*10 + int(lo), hi <= 9 && lo <= 9
}

func digits4(b []byte) (int, bool) {
	hi, ok1 := digits2(b)
	lo, ok2 := digits2(b[2:])
	return hi*100 + lo, ok1 && ok2
}

// digits8 parses eight digits in one word: it sums pairs, then fours, then all eight by multiplication.
func digits8(b []byte) (uint64, bool) {
	v := binary.LittleEndian.Uint64(b)
	if (v&0xf0f0f0f0f0f0f0f0)|((v+0x0606060606060606)&0xf0f0f0f0f0f0f0f0)>>4 != 0x3333333333333333 {
		return 0, false
	}
	v = (v & 0x0f0f0f0f0f0f0f0f) * (10<<8 + 1) >> 8
	v = (v & 0x00ff00ff00ff00ff) * (100<<16 + 1) >> 16
	v = (v & 0x0000ffff0000ffff) * (10000<<32 + 1) >> 32
	return v, true
}

// slowTime handles what the fast path does not, with time.Parse.
func slowTime(b []byte) (ns uint64, n int, ok bool) {
	n = bytes.IndexByte(b[:min(len(b), longestRFC)], ' ')
	if n < 0 {
		if len(b) > longestRFC {
			return 0, 0, false
		}
		n = len(b)
	}
	t, err := time.Parse(time.RFC3339Nano, string(b[:n]))
	if err != nil || t.Unix() < 0 || t.Unix() > lastSecond {
		return 0, 0, false
	}
	return uint64(t.UnixNano()), n, true
}
