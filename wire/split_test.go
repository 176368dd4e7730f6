package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// leaves writes a request as one line for each thing that cannot be cut, with all that stands around it. Splitting
// must change neither the lines nor their order, and merging parts is putting their lines one after the other.
func leaves(s Signal, r Request) []string {
	var out []string
	for c := (scan{b: r}); c.next(); {
		if c.num != FieldRequestResource || c.wire != TypeBytes {
			out = append(out, fmt.Sprintf("field %x", c.append(nil)))
			continue
		}
		out = append(out, leavesOf(s, levelRequest, c.body)...)
	}
	return out
}

// leavesOf is leaves for one message below the level.
func leavesOf(s Signal, depth int, body []byte) (out []string) {
	isChild := func(c *scan) bool {
		switch {
		case c.wire != TypeBytes || depth == levelData || depth == levelScope && s != Metrics:
			return false
		case depth == levelScope:
			return c.num == 5 || c.num == 7 || c.num >= 9 && c.num <= 11
		case depth == levelMetric:
			return c.num == FieldDataPoints
		}
		return c.num == 2
	}
	var header []byte
	for c := (scan{b: body}); c.next(); {
		if !isChild(&c) {
			header = c.append(header)
		}
	}
	for c := (scan{b: body}); c.next(); {
		if isChild(&c) {
			for _, line := range leavesOf(s, depth+1, c.body) {
				out = append(out, fmt.Sprintf("%x/%d %s", header, c.num, line))
			}
		}
	}
	if out == nil {
		return []string{fmt.Sprintf("%x", header)}
	}
	return out
}

// splitAndCheck splits and holds the parts against everything that Split promises. It returns the parts.
func splitAndCheck(t testing.TB, s Signal, r Request, l Limits) (parts []Request) {
	t.Helper()
	sent := bytes.Clone(r)
	var merged Request
	var got []string
	items := 0
	Split(s, r, l, func(part Request, n int) bool {
		if _, info, err := Check(s, part, Limits{}); err != nil || info.Canonicalized || info.Items != n {
			t.Fatalf("a part of %d items: %v %+v\n%x", n, err, info, part)
		}
		lines := leaves(s, part)
		if l.MaxItems > 0 && n > l.MaxItems {
			t.Fatalf("a part of %d items", n)
		}
		if l.MaxBytes > 0 && len(part) > l.MaxBytes && len(lines) > 1 && !headerHeavy(part, lines, l) {
			t.Fatalf("a part of %d bytes in %d lines\n%x", len(part), len(lines), part)
		}
		if len(part) == 0 {
			t.Fatal("an empty part")
		}
		got = append(got, lines...)
		items += n
		merged = append(merged, part...)
		parts = append(parts, bytes.Clone(part))
		return true
	})
	if !bytes.Equal(r, sent) {
		t.Fatal("Split wrote to the request")
	}
	want := leaves(s, r)
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Fatalf("split into %d parts:\ngot\n%s\nwant\n%s", len(parts), a, b)
	}
	if items != Count(s, r) || Count(s, merged) != items {
		t.Fatalf("%d items, merged %d, of %d", items, Count(s, merged), Count(s, r))
	}
	return parts
}

// headerHeavy reports whether what is repeated in a part takes nearly all of the limit.
func headerHeavy(part Request, lines []string, l Limits) bool {
	header := len(part)
	for _, line := range lines {
		header -= (len(line) - strings.LastIndexByte(line, ' ') - 1) / 2
	}
	return header > l.MaxBytes-l.MaxBytes/16
}

func TestSplit(t *testing.T) {
	const a, b, c = `2: { 1: i64 1 } `, `2: { 1: i64 2 } `, `2: { 1: i64 3 } `
	for _, x := range []struct {
		name   string
		limits Limits
		in     string
		want   []string
	}{
		{"within the limits", Limits{MaxItems: 2, MaxBytes: 100}, `1: { 2: { ` + a + b + ` } }`, []string{`1: { 2: { ` + a + b + ` } }`}},
		{"on a resource", Limits{MaxItems: 2}, `1: { 2: { ` + a + b + ` } } 1: { 2: { ` + c + ` } }`,
			[]string{`1: { 2: { ` + a + b + ` } }`, `1: { 2: { ` + c + ` } }`}},
		{"inside a scope", Limits{MaxItems: 2}, `1: { 1: { 2: 9 } 2: { 1: { 1: "s" } ` + a + b + c + ` 3: "u" } 3: "v" }`,
			[]string{`1: { 1: { 2: 9 } 2: { 1: { 1: "s" } ` + a + b + ` 3: "u" } 3: "v" }`,
				`1: { 1: { 2: 9 } 2: { 1: { 1: "s" } ` + c + ` 3: "u" } 3: "v" }`}},
		{"headers behind, as pdata writes them", Limits{MaxItems: 1}, `1: { 3: "v" 2: { 3: "u" ` + a + b + ` 1: { 1: "s" } } 1: { 2: 9 } }`,
			[]string{`1: { 3: "v" 2: { 3: "u" ` + a + ` 1: { 1: "s" } } 1: { 2: 9 } }`,
				`1: { 3: "v" 2: { 3: "u" ` + b + ` 1: { 1: "s" } } 1: { 2: 9 } }`}},
		{"unknown fields of headers", Limits{MaxItems: 1}, `1: { 70: 1 2: { 71: 1 ` + a + ` 72: 1 ` + b + ` 73: 1 } 74: "x" }`,
			[]string{`1: { 70: 1 2: { 71: 1 ` + a + ` 72: 1 73: 1 } 74: "x" }`, `1: { 70: 1 2: { 71: 1 ` + b + ` 72: 1 73: 1 } 74: "x" }`}},
		{"unknown fields of the request pass once", Limits{MaxItems: 1}, `90: 1 1: { 2: { ` + a + b + ` } } 91: "x"`,
			[]string{`90: 1 1: { 2: { ` + a + ` } }`, `1: { 2: { ` + b + ` } } 91: "x"`}},
		{"a part is filled over resources", Limits{MaxItems: 2}, `1: { 3: "r" 2: { ` + a + ` } } 1: { 3: "q" 2: { ` + b + c + ` } }`,
			[]string{`1: { 3: "r" 2: { ` + a + ` } } 1: { 3: "q" 2: { ` + b + ` } }`, `1: { 3: "q" 2: { ` + c + ` } }`}},
		{"empty scopes and resources are kept", Limits{MaxItems: 1}, `1: { 3: "e" } 1: { 2: { 3: "f" } 2: { ` + a + b + ` } 2: { } } 1: { }`,
			[]string{`1: { 3: "e" } 1: { 2: { 3: "f" } 2: { ` + a + ` } }`, `1: { 2: { ` + b + ` } 2: { } } 1: { }`}},
		{"by bytes", Limits{MaxBytes: 30}, `1: { 2: { ` + a + b + c + ` } }`,
			[]string{`1: { 2: { ` + a + b + ` } }`, `1: { 2: { ` + c + ` } }`}},
		{"a lone item over the limit", Limits{MaxBytes: 30}, `1: { 2: { ` + a + ` 2: { 3: "thirty bytes of text, at the least" } ` + b + ` } }`,
			[]string{`1: { 2: { ` + a + ` } }`, `1: { 2: { 2: { 3: "thirty bytes of text, at the least" } } }`, `1: { 2: { ` + b + ` } }`}},
	} {
		t.Run(x.name, func(t *testing.T) {
			parts := splitAndCheck(t, Logs, asm(t, x.in), x.limits)
			for i := range max(len(parts), len(x.want)) {
				var got, want []byte
				if i < len(parts) {
					got = parts[i]
				}
				if i < len(x.want) {
					want = asm(t, x.want[i])
				}
				if !bytes.Equal(got, want) {
					t.Errorf("part %d:\ngot  %x\nwant %x", i, got, want)
				}
			}
		})
	}
}

func TestSplitMetrics(t *testing.T) {
	const p = `1: { 3: i64 1 } `
	in := asm(t, `1: { 2: { 2: { 1: "m" 7: { `+p+p+p+` 2: 2 3: 1 60: 1 } 3: "unit" 12: { 1: "k" } 61: 1 } 2: { 1: "n" 5: { `+p+` } } } }`)
	parts := splitAndCheck(t, Metrics, in, Limits{MaxItems: 2})
	want := []string{
		`1: { 2: { 2: { 1: "m" 7: { ` + p + p + ` 2: 2 3: 1 60: 1 } 3: "unit" 12: { 1: "k" } 61: 1 } } }`,
		`1: { 2: { 2: { 1: "m" 7: { ` + p + ` 2: 2 3: 1 60: 1 } 3: "unit" 12: { 1: "k" } 61: 1 } 2: { 1: "n" 5: { ` + p + ` } } } }`,
	}
	if len(parts) != 2 {
		t.Fatalf("%d parts", len(parts))
	}
	for i := range want {
		if !bytes.Equal(parts[i], asm(t, want[i])) {
			t.Errorf("part %d: %x", i, parts[i])
		}
	}
}

// Parts are full: their number is the least there can be.
func TestSplitFills(t *testing.T) {
	for s, r := range map[Signal]Request{Metrics: benchMetrics(t), Logs: benchLogs(t), Traces: benchTraces(t)} {
		items := Count(s, r)
		for _, n := range []int{1, 7, 99, 100, 101, items - 1, items} {
			if n == 1 && s == Metrics {
				continue // ten thousand parts say no more than a thousand
			}
			parts := 0
			Split(s, r, Limits{MaxItems: n}, func(part Request, got int) bool {
				parts++
				if got != n && parts != (items+n-1)/n {
					t.Fatalf("%s by %d: part %d has %d items", s, n, parts, got)
				}
				return true
			})
			if parts != (items+n-1)/n {
				t.Errorf("%s by %d: %d parts", s, n, parts)
			}
		}
		splitAndCheck(t, s, r, Limits{MaxItems: 333, MaxBytes: 10000})
		splitAndCheck(t, s, r, Limits{MaxBytes: 500})
		calls := 0
		Split(s, r, Limits{MaxItems: 10}, func(Request, int) bool { calls++; return calls < 3 })
		if calls != 3 {
			t.Errorf("%s: called %d times after it was told to stop at 3", s, calls)
		}
	}
	Split(Logs, nil, Limits{MaxItems: 1}, func(Request, int) bool {
		t.Error("an empty request has a part")
		return true
	})
}

// Every byte limit, over records whose frames and parents need lengths of one, two and three bytes.
func TestSplitAtEveryByte(t *testing.T) {
	var scope []byte
	for _, n := range []int{1, 50, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 126, 127, 128, 200, 300} {
		scope = AppendBytes(scope, FieldScopeXItem, AppendString(nil, FieldLogSeverityText, strings.Repeat("x", n)))
	}
	r := Request(AppendBytes(nil, FieldRequestResource, AppendBytes(nil, FieldResourceXScope, scope)))
	for limit := 1; limit <= len(r)+1; limit++ {
		parts := splitAndCheck(t, Logs, r, Limits{MaxBytes: limit})
		for i, p := range parts[:len(parts)-1] {
			// The part is full: with the first record of the next one it would be larger than the limit.
			rs := parts[i+1].Resources()
			rs.Next()
			sc := rs.Scopes()
			sc.Next()
			it := sc.Items()
			it.Next()
			rs = p.Resources()
			rs.Next()
			sc = rs.Scopes()
			sc.Next()
			more := AppendBytes(bytes.Clone(sc.Bytes()), FieldScopeXItem, it.Bytes())
			if n := len(AppendBytes(nil, 1, AppendBytes(nil, 2, more))); n <= limit {
				t.Fatalf("limit %d: part %d of %d bytes could have been %d", limit, i, len(p), n)
			}
		}
	}
}

// A huge resource is not multiplied by the number of its items.
func TestSplitOfHugeHeaderIsBounded(t *testing.T) {
	resource := AppendStringAttribute(nil, FieldResourceAttributes, "huge", strings.Repeat("x", 1<<20))
	scope := bytes.Repeat(asm(t, `2: { 1: i64 1 3: "INFO" }`), 100000)
	r := Request(AppendBytes(nil, 1, AppendBytes(AppendBytes(nil, 1, resource), 2, scope)))
	total, items := 0, 0
	Split(Logs, r, Limits{MaxBytes: 1 << 20}, func(part Request, n int) bool {
		total += len(part)
		items += n
		return true
	})
	if items != 100000 || total > 3*len(r) {
		t.Errorf("%d items in %d bytes out of %d", items, total, len(r))
	}
}

// Merging is appending.
func TestAppendMerges(t *testing.T) {
	a, b := benchLogs(t), asmRequest(t, `1: { 3: "u" 2: { 2: { 3: "A" } } } 99: 1`)
	merged := append(bytes.Clone(a), b...)
	if got := dumpWire(Logs, merged); got != dumpWire(Logs, a)+dumpWire(Logs, b) {
		t.Error("the merged request does not read as both in a row")
	}
	compare(t, Logs, merged)
}

func asmRequest(t testing.TB, text string) Request { return mustCheck(t, Logs, asm(t, text)) }
