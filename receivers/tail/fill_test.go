package tail

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// reference is the plain reading of the rules, over the whole text at once.
func reference(text []byte, cri bool, limit int) []string {
	var out []string
	emit := func(stream string, body []byte) {
		body = bytes.TrimSuffix(body, []byte("\r"))
		cut := ""
		if len(body) > limit {
			body, cut = body[:cutAt(body, limit)], " truncated"
		}
		out = append(out, fmt.Sprintf("%s%q%s", stream, bytes.ToValidUTF8(body, []byte("\uFFFD")), cut))
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
		var c criLine
		if !cri || !parseCRI(rest, &clock{}, &c) {
			emit("", rest)
			continue
		}
		name := []string{"stdout", "stderr"}[c.stream]
		p := parts[name]
		p.open, p.body = true, append(p.body, c.body...)
		if !c.partial {
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

// FuzzFill reads a text that grows in steps, through the smallest batches there are, and compares with the
// reference: whatever the text and wherever it was cut, every record comes once, in order, whole.
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
	s, _ := pipelinetest.Settings(f, pipeline.KindReceiver, "tail")
	cfg := Default()
	cfg.MaxLineBytes, cfg.MaxInFlight = limit, 1
	r, err := New(s, cfg, pipeline.OutputsTo(nil, pipeline.Logs))
	if err != nil {
		f.Fatal(err)
	}
	r.large.size, r.small.size = 700, 700 // a handful of records
	size := r.lineMax + 1
	r.buffers.New = func() any { return make([]byte, size) }
	f.Fuzz(func(t *testing.T, text, steps []byte, cri bool) {
		var sink pipelinetest.Recorder
		r.offers = pipeline.NewOfferer(s, &sink, r.metrics.refusals)
		file := newFile("/a.log", "/a.log", stat{})
		file.lines.max, file.lines.attributes, file.lines.cri = limit, r.attributes, cri
		file.envelope = &envelope{}
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
		for i := 0; len(steps) > 0 && int(file.seen.size) < len(text) && i < 60; i++ {
			file.seen.size = min(int64(len(text)), file.seen.size+1+int64(steps[i%len(steps)]))
			read(false)
			if file.next > file.seen.size || file.lines.resume(file.next) > file.next {
				t.Fatalf("read to %d of %d, resume at %d", file.next, file.seen.size, file.lines.resume(file.next))
			}
		}
		file.seen.size = int64(len(text))
		read(true)
		r.sends.Wait()
		if file.next != int64(len(text)) || file.entry().offset != file.next {
			t.Fatalf("read to %d of %d, safe to %d", file.next, len(text), file.entry().offset)
		}
		var got []string
		for _, b := range sink.Batches() {
			for _, rec := range recordsOf(b.Request) {
				cut := ""
				if rec.truncated {
					cut = " truncated"
				}
				got = append(got, fmt.Sprintf("%s%q%s", rec.stream, rec.body, cut))
			}
		}
		if want := reference(text, cri, limit); !slices.Equal(got, want) {
			t.Fatalf("%q\ngot  %v\nwant %v", text, got, want)
		}
	})
}
