// Package tracestest helps to test the trace store and its API.
package tracestest

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/wire"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// Epoch is the start of the clock: 946684800.
var Epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// SpanText reads spans from text, one a line:
//
//	resource k=v ...             the resource of the following spans
//	scope NAME VERSION           their instrumentation scope
//	span TRACE/ID PARENT NAME KIND START LENGTH [STATUS[:MESSAGE]] [k=v ...]
//
// START counts from Epoch. Values are integers, floats, booleans, strings (quoted if necessary), or lists in
// brackets. A parent of - is none.
func SpanText(t testing.TB, text string) ptrace.Traces {
	t.Helper()
	td := ptrace.NewTraces()
	var rs ptrace.ResourceSpans
	var ss ptrace.ScopeSpans
	fresh := func() {
		rs = td.ResourceSpans().AppendEmpty()
		ss = rs.ScopeSpans().AppendEmpty()
	}
	for _, line := range strings.Split(text, "\n") {
		words := splitWords(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		switch words[0] {
		case "resource":
			fresh()
			for _, w := range words[1:] {
				putText(rs.Resource().Attributes(), w)
			}
		case "scope":
			if ss.Spans().Len() > 0 {
				ss = rs.ScopeSpans().AppendEmpty()
			}
			ss.Scope().SetName(words[1])
			ss.Scope().SetVersion(words[2])
		case "span":
			if td.ResourceSpans().Len() == 0 {
				fresh()
			}
			readSpan(t, ss.Spans().AppendEmpty(), words)
		default:
			t.Fatalf("cannot read %q", line)
		}
	}
	return td
}

func readSpan(t testing.TB, s ptrace.Span, words []string) {
	t.Helper()
	trace, id, _ := strings.Cut(words[1], "/")
	var tid pcommon.TraceID
	var sid, pid pcommon.SpanID
	FillHex(t, tid[:], trace)
	FillHex(t, sid[:], id)
	s.SetTraceID(tid)
	s.SetSpanID(sid)
	if words[2] != "-" {
		FillHex(t, pid[:], words[2])
		s.SetParentSpanID(pid)
	}
	s.SetName(words[3])
	for k := ptrace.SpanKindUnspecified; k <= ptrace.SpanKindConsumer; k++ {
		if strings.EqualFold(k.String(), words[4]) {
			s.SetKind(k)
		}
	}
	start, err1 := time.ParseDuration(words[5])
	length, err2 := time.ParseDuration(words[6])
	if err1 != nil || err2 != nil {
		t.Fatalf("cannot read the times of %q", words)
	}
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(Epoch.Add(start)))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(Epoch.Add(start + length)))
	for i, w := range words[7:] {
		status, message, _ := strings.Cut(w, ":")
		switch {
		case i == 0 && status == "error":
			s.Status().SetCode(ptrace.StatusCodeError)
			s.Status().SetMessage(message)
		case i == 0 && status == "ok":
			s.Status().SetCode(ptrace.StatusCodeOk)
		default:
			putText(s.Attributes(), w)
		}
	}
}

func FillHex(t testing.TB, dst []byte, digits string) {
	t.Helper()
	b, err := hex.DecodeString(strings.Repeat("0", 2*len(dst)-len(digits)) + digits)
	if err != nil {
		t.Fatal(err)
	}
	copy(dst, b)
}

// splitWords splits at unquoted spaces and unquotes words, but not the value in k="v".
func splitWords(line string) (words []string) {
	var word strings.Builder
	quoted, any := false, false
	for _, r := range line + " " {
		switch {
		case r == '"':
			quoted, any = !quoted, true
			if strings.Contains(word.String(), "=") {
				word.WriteRune(r)
			}
		case r == ' ' && !quoted:
			if any {
				words = append(words, word.String())
			}
			word.Reset()
			any = false
		default:
			word.WriteRune(r)
			any = true
		}
	}
	return words
}

func putText(m pcommon.Map, word string) {
	key, value, _ := strings.Cut(word, "=")
	setText(m.PutEmpty(key), value)
}

func setText(to pcommon.Value, text string) {
	if list, ok := strings.CutPrefix(text, "["); ok {
		slice := to.SetEmptySlice()
		for _, e := range strings.Split(strings.TrimSuffix(list, "]"), ",") {
			setText(slice.AppendEmpty(), e)
		}
		return
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		to.SetInt(n)
	} else if f, err := strconv.ParseFloat(text, 64); err == nil {
		to.SetDouble(f)
	} else if text == "true" || text == "false" {
		to.SetBool(text == "true")
	} else {
		to.SetStr(strings.Trim(text, `"`))
	}
}

// BatchOf makes a batch as a receiver would.
func BatchOf(t testing.TB, td ptrace.Traces) pipeline.Batch {
	t.Helper()
	body, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return Checked(t, body)
}

func Checked(t testing.TB, body []byte) pipeline.Batch {
	t.Helper()
	r, info, err := wire.Check(wire.Traces, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{Signal: pipeline.Traces, Request: r, Items: info.Items}
}

// SpanIDs lists spans as TRACE/ID.
func SpanIDs(r wire.Request) (ids []string) {
	for rc := r.Resources(); rc.Next(); {
		for sc := rc.Scopes(); sc.Next(); {
			for ic := sc.Items(); ic.Next(); {
				s := wire.ParseSpan(ic.Bytes())
				ids = append(ids, fmt.Sprintf("%x/%x", s.TraceID, s.SpanID))
			}
		}
	}
	return ids
}

// Noise returns text that does not compress well.
func Noise(n, seed int) string {
	b := make([]byte, n)
	x := uint64(seed)*2654435761 + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[x%64]
	}
	return "n" + string(b[1:])
}

// A Clock is moved by tests.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock at Epoch.
func NewClock() *Clock { return &Clock{now: Epoch} }

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move lets time pass.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Account reads the ledger's delivered and dropped items.
func Account(l *ledger.Ledger) (delivered int64, drops map[pipeline.Reason]int64) {
	drops = map[pipeline.Reason]int64{}
	for _, a := range l.Read() {
		delivered += a.Delivered.Items
		for why, n := range a.Dropped {
			drops[why] += n.Items
		}
	}
	return delivered, drops
}
