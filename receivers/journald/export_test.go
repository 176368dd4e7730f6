package journald

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sluiceio/sluice/wire"
)

// read is every entry of a text, field by field, and how it ended.
func readEntries(r io.Reader) (entries []string, err error) {
	in := bufio.NewReaderSize(r, 64)
	var e entry
	for {
		if err := readEntry(in, &e); err != nil {
			return entries, err
		}
		var fields []string
		for _, f := range e.fields {
			cut := ""
			if f.cut {
				cut = " cut"
			}
			fields = append(fields, fmt.Sprintf("%s=%q%s", e.name(f), e.value(f), cut))
		}
		entries = append(entries, strings.Join(fields, " "))
	}
}

func TestReadEntry(t *testing.T) {
	long := strings.Repeat("x", messageMax)
	binaryField := func(name, value string) string {
		return string(encodeEntry(name + "=\x01" + value))[:len(name)+1+8+1+len(value)+1]
	}
	for _, tt := range []struct {
		name, text string
		want       []string
		err        error
	}{
		{name: "nothing", err: io.EOF},
		{name: "blank lines", text: "\n\n\n", err: io.EOF},
		{name: "two", text: "A=1\nB=\n\nA=2\n\n", want: []string{`A="1" B=""`, `A="2"`}, err: io.EOF},
		{name: "value with equals", text: "A=b=c\n\n", want: []string{`A="b=c"`}, err: io.EOF},
		{name: "binary", text: binaryField("MESSAGE", "a\n\nb=c") + "A=1\n\n", want: []string{`MESSAGE="\x01a\n\nb=c" A="1"`}, err: io.EOF},
		{name: "message at the limit", text: "MESSAGE=" + long + "\n\n", want: []string{fmt.Sprintf("MESSAGE=%q", long)}, err: io.EOF},
		{name: "message over it", text: "MESSAGE=" + long + "y\nA=1\n\n", want: []string{fmt.Sprintf("MESSAGE=%q cut A=\"1\"", long)}, err: io.EOF},
		{name: "field over its limit", text: "A=" + long + "\nB=1\n\n", want: []string{fmt.Sprintf("A=%q cut B=\"1\"", long[:fieldMax])}, err: io.EOF},
		{name: "binary over the limit", text: binaryField("CORE", long+long) + "\n", want: []string{fmt.Sprintf("CORE=%q cut", "\x01"+long[:fieldMax-1])}, err: io.EOF},
		{name: "breaks off in an entry", text: "A=1\n\nB=2\n", want: []string{`A="1"`}, err: io.ErrUnexpectedEOF},
		{name: "breaks off in a line", text: "A=1\n\nB", want: []string{`A="1"`}, err: io.ErrUnexpectedEOF},
		{name: "breaks off in a long line", text: "A=" + long, err: io.ErrUnexpectedEOF},
		{name: "breaks off in a binary field", text: binaryField("A", "abc")[:12], err: io.ErrUnexpectedEOF},
		{name: "no newline after a binary field", text: "A\n\x01\x00\x00\x00\x00\x00\x00\x00xy", err: errMalformed},
		{name: "lying length", text: "A\n\xff\xff\xff\xff\xff\xff\xff\xffxy\n", err: errMalformed},
		{name: "no name", text: "=x\n", err: errMalformed},
		{name: "not the format", text: strings.Repeat("Nov 12 host sshd: hello ", 9) + "\n", err: errMalformed},
	} {
		for _, r := range []io.Reader{strings.NewReader(tt.text), iotest.OneByteReader(strings.NewReader(tt.text))} {
			got, err := readEntries(r)
			if !errors.Is(err, tt.err) || strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("%s: %.200q, %v", tt.name, got, err)
			}
		}
	}
}

// FuzzReadEntry: whatever journalctl writes, reading ends, keeps within its bounds, makes a canonical request, and gives
// the same however it is cut into reads.
func FuzzReadEntry(f *testing.F) {
	f.Add([]byte("__CURSOR=s=1\n__REALTIME_TIMESTAMP=1700000000000000\nPRIORITY=3\nMESSAGE=hello\n_SYSTEMD_UNIT=a.service\n\n"))
	f.Add(encodeEntry("MESSAGE=a\nb", "_PID=12", "X=\xff"))
	f.Add([]byte("A\n\x01\x00\x00\x00\x00\x00\x00\x00x\n\n"))
	f.Add([]byte("MESSAGE=" + strings.Repeat("x", 300) + "\nMESSAGE=y\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		once, err1 := readEntries(bytes.NewReader(text))
		again, err2 := readEntries(iotest.OneByteReader(bytes.NewReader(text)))
		if strings.Join(once, "\n") != strings.Join(again, "\n") || err1.Error() != err2.Error() {
			t.Fatalf("%q %v\n%q %v", once, err1, again, err2)
		}
		w, b, in := newWriter("h", "", true, own{}), &batch{}, bufio.NewReader(bytes.NewReader(text))
		var e entry
		for readEntry(in, &e) == nil {
			w.add(b, &e, time.Unix(1, 0))
			if len(e.buf) > entryMax+fieldsMax*nameMax {
				t.Fatalf("an entry of %d bytes is kept", len(e.buf))
			}
		}
		w.seal(b)
		if b.items == 0 {
			return
		}
		if got, info, err := wire.Check(wire.Logs, b.request, wire.Limits{}); err != nil || info.Canonicalized || info.RepairedStrings > 0 || info.Items != b.items || !bytes.Equal(got, b.request) {
			t.Fatalf("%+v %v: %q", info, err, b.request)
		}
	})
}

// TestRoundTrip reads back what journalctl would write of any field.
func TestRoundTrip(t *testing.T) {
	for _, value := range []string{"", "x", "a\nb", "\x00\xff", strings.Repeat("é", 1000), "=", "\n", "\n\n"} {
		got, err := readEntries(bytes.NewReader(encodeEntry("A=1", "MESSAGE="+value, "B=2")))
		if want := fmt.Sprintf("A=\"1\" MESSAGE=%q B=\"2\"", value); err != io.EOF || len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q %v", value, got, err)
		}
	}
}

// BenchmarkEntry is the cost of one entry of some twenty fields, from journalctl's bytes to the request.
func BenchmarkEntry(b *testing.B) {
	one := encodeEntry("__CURSOR=s=0639b1f3c1e24b3b8f4f5c9e7a0b1c2d;i=1a2b3c;b=f00d;m=1;t=2;x=3", "__REALTIME_TIMESTAMP=1700000000000000", "__MONOTONIC_TIMESTAMP=12345678",
		"_BOOT_ID=0639b1f3c1e24b3b8f4f5c9e7a0b1c2d", "PRIORITY=6", "_MACHINE_ID=0639b1f3c1e24b3b8f4f5c9e7a0b1c2d", "_HOSTNAME=node7", "_UID=0", "_GID=0", "_TRANSPORT=syslog",
		"SYSLOG_FACILITY=10", "SYSLOG_IDENTIFIER=sshd", "_COMM=sshd", "_EXE=/usr/sbin/sshd", "_CMDLINE=sshd: root [priv]", "_CAP_EFFECTIVE=1ffffffffff",
		"_SYSTEMD_CGROUP=/system.slice/ssh.service", "_SYSTEMD_UNIT=ssh.service", "_SYSTEMD_SLICE=system.slice", "_PID=4711", "MESSAGE=Accepted publickey for root from 192.0.2.1 port 4711 ssh2: ED25519 SHA256:abcdefghijk")
	const entries = 500
	text := bytes.Repeat(one, entries)
	w, out := newWriter("h", "", false, own{}), &batch{}
	var e entry
	in := bufio.NewReaderSize(nil, readSize)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		in.Reset(bytes.NewReader(text))
		out.reset()
		for readEntry(in, &e) == nil {
			w.add(out, &e, time.Unix(1, 0))
		}
		w.seal(out)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/entries, "ns/entry")
}
