package wire

import (
	"bytes"
	"errors"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

func TestCheckLimits(t *testing.T) {
	body := asm(t, `1: { 2: { 2: { 1: i64 1 } 2: { 1: i64 2 } } } 1: { 2: { 2: { 1: i64 3 } } }`)
	for _, c := range []struct {
		limits Limits
		want   string
	}{
		{Limits{}, ""},
		{Limits{MaxBytes: len(body), MaxItems: 3}, ""},
		{Limits{MaxBytes: len(body) - 1}, "malformed logs request at byte 40: more bytes than allowed"},
		{Limits{MaxItems: 2}, "malformed logs request at resource_logs[1].scope_logs[0].log_records[0] (byte 30): " +
			"more items than allowed"},
		{Limits{MaxItems: 1}, "malformed logs request at resource_logs[0].scope_logs[0].log_records[1] (byte 15): " +
			"more items than allowed"},
	} {
		_, info, err := Check(Logs, body, c.limits)
		if err == nil && (c.want != "" || info.Items != 3) || err != nil && err.Error() != c.want {
			t.Errorf("%+v: got %v %+v, want %q", c.limits, err, info, c.want)
		}
	}
	if _, _, err := Check(0, nil, Limits{}); !errors.Is(err, ErrSignal) {
		t.Error("a signal that is none is accepted:", err)
	}
}

// nestedArrays returns n arrays inside one another as an AnyValue body.
func nestedArrays(n int) []byte {
	var b []byte
	for range n {
		b = AppendBytes(nil, FieldValueArray, AppendBytes(nil, FieldArrayValues, b))
	}
	return b
}

// logWith returns a request of one record with the body given.
func logWith(value []byte) []byte {
	record := AppendBytes(nil, FieldLogBody, value)
	return AppendBytes(nil, 1, AppendBytes(nil, 2, AppendBytes(nil, 2, record)))
}

func TestCheckDepth(t *testing.T) {
	if _, _, err := Check(Logs, logWith(nestedArrays(MaxDepth)), Limits{}); err != nil {
		t.Error("the deepest legal value is refused:", err)
	}
	_, _, err := Check(Logs, logWith(nestedArrays(MaxDepth+1)), Limits{})
	if !errors.Is(err, ErrTooDeep) {
		t.Error("one level more is not refused:", err)
	}
	// Depth is that of one value, not of all before it.
	two := append(AppendBytes(nil, FieldLogBody, nestedArrays(20)), AppendBytes(nil, FieldLogAttributes,
		AppendBytes(nil, FieldKeyValueValue, nestedArrays(MaxDepth)))...)
	if _, _, err := Check(Logs, AppendBytes(nil, 1, AppendBytes(nil, 2, AppendBytes(nil, 2, two))), Limits{}); err != nil {
		t.Error("depths of neighbours add up:", err)
	}
}

// bomb returns size bytes of messages inside one another, whose tags repeat. Each length claims all that is left.
func bomb(size int, tags ...byte) []byte {
	b := make([]byte, 0, size)
	for i := 0; size-len(b) > 16; i++ {
		b = append(b, tags[i%len(tags)])
		b = AppendVarint(b, uint64(size-len(b)-SizeVarint(uint64(size))))
	}
	return append(b, make([]byte, size-len(b))...)
}

// Twenty MiB of nested arrays are refused at once, with a place, and on a small stack.
func TestDepthBombs(t *testing.T) {
	const size = 20 << 20
	defer debug.SetMaxStack(debug.SetMaxStack(64 << 10))
	for name, value := range map[string][]byte{
		"arrays": bomb(size, FieldValueArray<<3|TypeBytes, FieldArrayValues<<3|TypeBytes),
		"maps":   bomb(size, FieldValueMap<<3|TypeBytes, FieldMapValues<<3|TypeBytes, valueTag),
		"honest": nestedArrays(5000),
		"tags":   []byte(strings.Repeat("\x2a", size)),
		"text":   []byte(strings.Repeat("[", size)),
	} {
		t.Run(name, func(t *testing.T) {
			body := logWith(value)
			start := time.Now()
			_, _, err := Check(Logs, body, Limits{})
			var e *Error
			if !errors.As(err, &e) || !strings.HasPrefix(e.Path, "resource_logs[0].scope_logs[0].log_records[0].body.") {
				t.Fatalf("%.200v", err)
			}
			if deep := errors.Is(err, ErrTooDeep); deep != (name == "arrays" || name == "maps" || name == "honest") {
				t.Errorf("%.200v", err)
			}
			if len(e.Path) > 4096 || e.Offset > 4096 {
				t.Errorf("a path of %d bytes to byte %d", len(e.Path), e.Offset)
			}
			if d := time.Since(start); d > time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// Wide and irregular requests cost the rewriter no more than a small multiple of reading them, however they nest.
func TestRewriteIsNotQuadratic(t *testing.T) {
	kv := []byte{}
	for range MaxDepth {
		// Each level: the value of a KeyValue sent three times, to be merged.
		value := AppendBytes(nil, FieldValueMap, AppendBytes(nil, FieldMapValues, kv))
		kv = append(AppendBytes(nil, 2, nil), AppendBytes(AppendBytes(nil, 2, value), 2, nil)...)
		if len(kv) < 4<<20 {
			kv = append(AppendBytes(nil, 99, make([]byte, 1<<17)), kv...)
		}
	}
	record := AppendBytes(nil, FieldLogAttributes, kv)
	body := AppendBytes(nil, 1, AppendBytes(nil, 2, AppendBytes(nil, 2, record)))
	start := time.Now()
	r, info, err := Check(Logs, body, Limits{})
	if err != nil || !info.Canonicalized || len(r) > len(body) {
		t.Fatal(err, info, len(r))
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("%d bytes took %v", len(body), d)
	}
}

// A canonical request costs nothing but time.
func TestNoAllocations(t *testing.T) {
	for s, r := range map[Signal]Request{Metrics: benchMetrics(t), Logs: benchLogs(t), Traces: benchTraces(t)} {
		if n := testing.AllocsPerRun(5, func() { Check(s, r, Limits{}) }); n != 0 {
			t.Errorf("%s: Check allocates %v times", s, n)
		}
		if n := testing.AllocsPerRun(5, func() { visit(s, r) }); n != 0 {
			t.Errorf("%s: the cursors allocate %v times", s, n)
		}
		if n := testing.AllocsPerRun(5, func() { Count(s, r) }); n != 0 {
			t.Errorf("%s: Count allocates %v times", s, n)
		}
	}
}

// A damaged request makes cursors stop, not panic: every body has to come through Check, but a mistake should not
// cost the process.
func TestCursorsSurviveDamage(t *testing.T) {
	for seed := range uint64(1000) {
		for _, s := range []Signal{Metrics, Logs, Traces} {
			g := generator{entropy: randomEntropy(seed, 400), broken: true}
			body := g.request(s)
			dumpWire(s, body)
			if len(body) > 0 {
				body[int(seed)%len(body)] ^= byte(seed>>3) | 1
				dumpWire(s, body)
				Count(s, body)
				dumpWire(s, body[:len(body)/2])
			}
		}
	}
}

// Every length and every position of a byte that is not ASCII.
func TestASCII(t *testing.T) {
	for n := range 140 {
		s := bytes.Repeat([]byte("a"), n)
		if !ascii(s) {
			t.Errorf("%d bytes of a are not ASCII", n)
		}
		for i := range s {
			s[i] = 0x80
			if ascii(s) {
				t.Errorf("byte %d of %d is overlooked", i, n)
			}
			s[i] = 0x7f
		}
	}
}
