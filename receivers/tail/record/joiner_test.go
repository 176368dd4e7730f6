package record

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/multiline"
	"github.com/sluiceio/sluice/wire"
)

// bodiesOf are the bodies of a batch's records, with their streams.
func bodiesOf(b *Batch, e *Envelope) (out []string) {
	b.Seal(e)
	for rs := b.Request().Resources(); rs.Next(); {
		for ss := rs.Scopes(); ss.Next(); {
			for items := ss.Items(); items.Next(); {
				l := wire.ParseLog(items.Bytes())
				stream, _ := l.Attributes().Find("log.iostream")
				out = append(out, fmt.Sprintf("%s:%s", stream.Str(), l.Body.Str()))
			}
		}
	}
	return out
}

// FuzzJoin: the records of a text do not depend on how it comes in chunks, so that looking ahead into a chunk changes nothing;
// and no line is lost.
func FuzzJoin(f *testing.F) {
	for _, text := range []string{
		"a\njava.lang.Exception: x\n\tat y\n\tat z\nb\n", "Traceback (most recent call last):\n  File \"a\"\nValueError: x\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  x\nKeyError\n",
		"panic: x\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:1 +0x1\nexit status 2\nnext\n", "/app/a.js:1\nthrow x\n^\n\nError: x\n    at y {\n  code: 1\n}\n\nNode.js v20\n",
		"info: A[1]\n      text\nUnhandled exception. System.Exception: x\n   at y\n", "goroutine 1 [running]:\nmain.f(0x1)\nEError: 1\nTThrowable\n at x\n",
	} {
		for _, format := range []byte{0, 1, 2} {
			f.Add(text, format, uint64(0x5555))
		}
	}
	rule, err := multiline.New(multiline.Choice{Presets: multiline.Names()})
	if err != nil {
		f.Fatal(err)
	}
	rule.MaxLines, rule.Flush = 4, time.Second
	e := Origin{Host: "h"}.Envelope("/a.log", "")
	pool := NewPool(64 << 10)
	f.Fuzz(func(t *testing.T, text string, format byte, streams uint64) {
		var chunk []byte
		var want []string
		for line := range strings.Lines(strings.ToValidUTF8(text, "?")) {
			line = strings.Trim(line, "\n\r\x00\uFEFF")
			if len(line) > 1000 {
				return
			}
			stream := []string{"stdout", "stderr"}[streams&1]
			streams = streams>>1 | streams<<63
			switch format % 3 {
			case 0:
				chunk = fmt.Appendf(chunk, "%s\n", line)
				stream = ""
			case 1:
				chunk = fmt.Appendf(chunk, "2016-10-06T00:17:09.%dZ %s F %s\n", 100+streams%899, stream, line)
			default:
				quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(line)
				chunk = fmt.Appendf(chunk, `{"log":"%s\n","stream":"%s","time":"2016-10-06T00:17:09Z"}`+"\n", quoted, stream)
			}
			want = append(want, stream+":"+line)
		}
		if len(chunk) > 30_000 {
			return
		}
		run := func(feed func(l *Lines)) []string {
			l := NewLines(2000, NewAttributes())
			l.Set([]string{FormatPlain, FormatCRI, FormatDocker}[format%3], false)
			l.Join(rule)
			b := pool.Get(e)
			defer b.Free()
			l.To(b, 1)
			feed(&l)
			l.FinishAll()
			if n, size := l.Waiting(); n > 0 || size > 0 || l.Open() || l.Due(true) > 0 || l.Resume(1<<40) != 1<<40 {
				t.Fatalf("%d records wait after the end", n)
			}
			return bodiesOf(b, e)
		}
		whole := run(func(l *Lines) {
			if used, _ := l.Take(chunk, 1); used != len(chunk) {
				t.Fatal("not all taken")
			}
		})
		byLine := run(func(l *Lines) {
			at := int64(1)
			for line := range bytes.Lines(chunk) {
				l.Take(line, at)
				at += int64(len(line))
			}
		})
		if !slices.Equal(whole, byLine) {
			t.Fatalf("as one chunk: %q\nline by line: %q", whole, byLine)
		}
		var got []string
		for _, r := range whole {
			stream, body, _ := strings.Cut(r, ":")
			for _, line := range strings.Split(body, "\n") {
				got = append(got, stream+":"+line)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("lines %q\nwant %q", got, want)
		}
	})
}
