package reader

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/pipeline/source"
	"github.com/sluiceio/sluice/receivers/tail/record"
	"github.com/sluiceio/sluice/wire"
)

// criLine is the CRI format as its description says it, the time apart.
var criLine = regexp.MustCompile(`(?s)^([^ ]+) (stdout|stderr) ([PF])(?::[^ ]*)?(?: (.*))?$`)

// parseCRI is the plain reading of a CRI header.
func parseCRI(line []byte) (stream string, partial bool, body []byte, ok bool) {
	m := criLine.FindSubmatch(line)
	if m == nil {
		return "", false, nil, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(m[1]))
	if err != nil || at.Unix() < 0 || at.Unix() > math.MaxInt64/1_000_000_000-1 {
		return "", false, nil, false
	}
	return string(m[2]), string(m[3]) == "P", m[4], true
}

// cut is body up to the limit, without half a character at the end.
func cut(body []byte, limit int) []byte {
	for n := limit; n > limit-utf8.UTFMax && n > 0; n-- {
		if utf8.RuneStart(body[n]) {
			return body[:n]
		}
	}
	return body[:limit]
}

// recordsOf is stream, body and whether it was cut, of each record.
func recordsOf(r wire.Request) []string {
	var out []string
	for rs := r.Resources(); rs.Next(); {
		for ss := rs.Scopes(); ss.Next(); {
			for items := ss.Items(); items.Next(); {
				l := wire.ParseLog(items.Bytes())
				stream, _ := l.Attributes().Find("log.iostream")
				truncated, _ := l.Attributes().Find("log.truncated")
				s := fmt.Sprintf("%s%q", stream.Str(), l.Body.Str())
				if truncated.Bool() {
					s += " truncated"
				}
				out = append(out, s)
			}
		}
	}
	return out
}

// reference is the plain reading of the rules, over the whole text at once.
func reference(text []byte, cri bool, limit int) []string {
	var out []string
	emit := func(stream string, body []byte) {
		body = bytes.TrimSuffix(body, []byte("\r"))
		truncated := ""
		if len(body) > limit {
			body, truncated = cut(body, limit), " truncated"
		}
		out = append(out, fmt.Sprintf("%s%q%s", stream, bytes.ToValidUTF8(body, []byte("\uFFFD")), truncated))
	}
	type pending struct {
		open bool
		body []byte
	}
	parts := map[string]*pending{"stdout": {}, "stderr": {}}
	lines := bytes.Split(text, []byte("\n"))
	for i, line := range lines {
		if i == len(lines)-1 && len(line) == 0 {
			break
		}
		if i == 0 {
			line = bytes.TrimPrefix(line, []byte("\uFEFF"))
		}
		rest := bytes.TrimLeft(line, "\x00")
		if len(rest) == 0 && len(line) > 0 && i == len(lines)-1 {
			break
		}
		name, partial, body, ok := parseCRI(rest)
		if !cri || !ok {
			emit("", rest)
			continue
		}
		p := parts[name]
		p.open, p.body = true, append(p.body, body...)
		if !partial {
			emit(name, p.body)
			*p = pending{}
		}
	}
	for _, name := range []string{"stdout", "stderr"} {
		if parts[name].open {
			emit(name, parts[name].body)
		}
	}
	return out
}

// FuzzFill reads a growing text through the smallest batches and compares with the reference: every record comes once, in
// order, whole.
func FuzzFill(f *testing.F) {
	const h = "2026-01-02T03:04:05.1Z "
	for _, s := range []string{
		"one\ntwo\r\n\nthree", "\uFEFFone\n", "\x00\x00one\n\x00\n\x00two\x00\n", "0123456789abcdef\n0123456789abcdefg\n0123456789abcdé\n",
		h + "stdout P a\n" + h + "stderr F b\n" + h + "stdout F c\nnope\n" + h + "stderr P d", "\xff\xfe\n\xc3", strings.Repeat("x", 400) + "\ny\n",
		h + "stdout P caf\xc3\n" + h + "stdout F \xa9\r\n", strings.Repeat("\x00", 300) + "x", strings.Repeat(h+"stdout P 0123456789\n", 9) + h + "stdout F z\r\n",
		strings.Repeat("\x00", 300) + strings.Repeat("x", 500) + "\nz",
	} {
		f.Add([]byte(s), []byte{1, 7, 200}, false)
		f.Add([]byte(s), []byte{3}, true)
	}
	const limit = 16
	r := newReader(f, Config{MaxLineBytes: limit, MaxBatchBytes: 700, MaxInFlight: 1, MaxInFlightBytes: 1 << 20}, nil) // a handful of records
	r.small = r.large
	size := record.LongestLine(r.cfg.MaxLineBytes) + 1
	r.blocks.New = func() any { return make([]byte, size) }
	f.Fuzz(func(t *testing.T, text, steps []byte, cri bool) {
		for stamp := range bytes.FieldsFuncSeq(text, func(c rune) bool { return c == ' ' || c == '\n' }) {
			if cri && len(stamp) >= 64 {
				t.Skip("the fast way takes longer times than the slow one")
			}
		}
		var sink pipelinetest.Recorder
		r.offers = source.NewSubmitter(r.settings, &sink, r.metrics.Refused)
		file := r.NewFile(Begin{Name: "/a.log", Path: "/a.log"})
		file.seen.Size = 0
		if cri {
			file.lines.Set(record.FormatCRI, false)
		}
		file.envelope = &record.Envelope{}
		read := func(last bool) {
			for {
				more, err := r.fill(file, bytes.NewReader(text), last)
				if errors.Is(err, errBlocked) {
					if file.blocked != nil {
						<-file.blocked
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if !more {
					return
				}
			}
		}
		for i := 0; len(steps) > 0 && int(file.seen.Size) < len(text) && i < 60; i++ {
			file.seen.Size = min(int64(len(text)), file.seen.Size+1+int64(steps[i%len(steps)]))
			read(false)
			if file.next > file.seen.Size || file.lines.Resume(file.next) > file.next {
				t.Fatalf("read to %d of %d, resume at %d", file.next, file.seen.Size, file.lines.Resume(file.next))
			}
		}
		file.seen.Size = int64(len(text))
		read(true)
		r.sends.Wait()
		if file.next != int64(len(text)) || file.window().entry().Offset != file.next {
			t.Fatalf("read to %d of %d, safe to %d", file.next, len(text), file.window().entry().Offset)
		}
		var got []string
		for _, b := range sink.Batches() {
			got = append(got, recordsOf(b.Request)...)
		}
		if want := reference(text, cri, limit); !slices.Equal(got, want) {
			t.Fatalf("%q\ngot  %v\nwant %v", text, got, want)
		}
	})
}
