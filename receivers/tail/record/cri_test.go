package record

import (
	"bytes"
	"testing"
	"time"
)

func TestParseCRI(t *testing.T) {
	at := func(s string) uint64 {
		tm, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return uint64(tm.UnixNano())
	}
	const when = "2016-10-06T00:17:09.669794202Z"
	for _, tt := range []struct {
		line string
		want headed
		no   bool
	}{
		{line: when + " stdout F hello", want: headed{at(when), stdout, false, []byte("hello")}},
		{line: when + " stderr P hel", want: headed{at(when), stderr, true, []byte("hel")}},
		{line: when + " stdout F ", want: headed{at(when), stdout, false, []byte{}}},
		{line: when + " stdout F", want: headed{at(when), stdout, false, []byte{}}},
		{line: when + " stdout F:x:y  a b ", want: headed{at(when), stdout, false, []byte(" a b ")}},
		{line: when + " stdout P:x", want: headed{at(when), stdout, true, []byte{}}},
		{line: "2016-10-06T00:17:09.66Z stdout F x", want: headed{at("2016-10-06T00:17:09.66Z"), stdout, false, []byte("x")}},
		{line: "2016-10-06T00:17:09Z stdout F x", want: headed{at("2016-10-06T00:17:09Z"), stdout, false, []byte("x")}},
		{line: "2024-02-29T23:59:59.000000001+05:30 stderr F x", want: headed{at("2024-02-29T23:59:59.000000001+05:30"), stderr, false, []byte("x")}},
		{line: "2024-02-29T23:59:59.123456789-11:00 stderr F x", want: headed{at("2024-02-29T23:59:59.123456789-11:00"), stderr, false, []byte("x")}},
		{line: "2024-02-29T23:59:59.12345678999-11:00 stderr F x", want: headed{at("2024-02-29T23:59:59.123456789-11:00"), stderr, false, []byte("x")}},
		{line: "2024-02-29T23:59:59,5Z stderr F x", want: headed{at("2024-02-29T23:59:59.5Z"), stderr, false, []byte("x")}}, // time.Parse takes a comma
		{no: true},
		{line: when, no: true},
		{line: when + " stdout", no: true},
		{line: when + " stdout ", no: true},
		{line: when + " stdin F x", no: true},
		{line: when + " stdout X x", no: true},
		{line: when + " stdout Fx", no: true},
		{line: when + "  stdout F x", no: true},
		{line: "2023-02-29T23:59:59.5Z stdout F x", no: true},
		{line: "2016-13-06T00:17:09Z stdout F x", no: true},
		{line: "2016-10-06T24:17:09Z stdout F x", no: true},
		{line: "2016-10-06 00:17:09Z stdout F x", no: true},
		{line: "1969-10-06T00:17:09Z stdout F x", no: true},
		{line: "2263-10-06T00:17:09Z stdout F x", no: true},
		{line: "2016-10-06T00:17:09.Z stdout F x", no: true},
		{line: "2016-10-06T00:17:09.66 stdout F x", no: true},
		{line: `{"time":"2016-10-06T00:17:09Z"} stdout F x`, no: true},
	} {
		var c clock
		for range 2 { // the second time from the clock's memory
			var got headed
			ok := parseCRI([]byte(tt.line), &c, &got)
			if ok == tt.no {
				t.Errorf("%q: taken %t", tt.line, ok)
				continue
			}
			if ok && (got.time != tt.want.time || got.stream != tt.want.stream || got.partial != tt.want.partial || !bytes.Equal(got.body, tt.want.body)) {
				t.Errorf("%q: %+v, want %+v", tt.line, got, tt.want)
			}
		}
	}
}

// FuzzParseCRI compares with time.Parse: accepted times have the same value, and the cached second never changes a result.
func FuzzParseCRI(f *testing.F) {
	for _, s := range []string{
		"2016-10-06T00:17:09.669794202Z stdout F hello", "2016-10-06T00:17:09.66979420Z stderr P x", "2016-10-06T00:17:09+01:00 stdout F",
		"2024-02-29T23:59:60.5Z stdout F x", "9999-12-31T23:59:59Z stdout F x", "1970-01-01T00:00:00+23:59 stdout F x", "2016-10-06T00:17:09.1",
		"2016-10-06T00:17:09.66979420:Z stderr P x",
	} {
		f.Add([]byte(s))
	}
	warm := clock{}
	warm.parse([]byte("2016-10-06T00:17:09Z"))
	f.Fuzz(func(t *testing.T, line []byte) {
		used, fresh := warm, clock{}
		var a, b headed
		ok, again := parseCRI(line, &used, &a), parseCRI(line, &fresh, &b)
		if ok != again || a.time != b.time || !bytes.Equal(a.body, b.body) {
			t.Fatalf("with memory %+v %t, without %+v %t", a, ok, b, again)
		}
		stamp, _, _ := bytes.Cut(line, []byte(" "))
		want, err := time.Parse(time.RFC3339Nano, string(stamp))
		if ok {
			if err != nil {
				t.Fatalf("%q was taken: %v", stamp, err)
			}
			if uint64(want.UnixNano()) != a.time {
				t.Fatalf("%q is %d, want %d", stamp, a.time, want.UnixNano())
			}
		} else if err == nil && len(stamp) < longestRFC && want.Unix() >= 0 && want.Unix() < lastSecond && bytes.HasPrefix(line[len(stamp):], []byte(" stdout F ")) {
			t.Fatalf("%q was not taken", line)
		}
	})
}

func BenchmarkParseCRI(b *testing.B) {
	line := []byte("2016-10-06T00:17:09.669794202Z stdout F hello")
	var c clock
	b.ReportAllocs()
	var l headed
	for b.Loop() {
		if !parseCRI(line, &c, &l) {
			b.Fatal("not taken")
		}
	}
}
