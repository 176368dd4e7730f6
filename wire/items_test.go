package wire

import (
	"fmt"
	"slices"
	"testing"
)

// holdItems cuts a request at random places and holds the cuts against its leaves: the items of the cuts, one after the
// other, are those of the request, with all that stands around them.
func holdItems(t testing.TB, s Signal, r Request, pick func(n int) int) {
	t.Helper()
	n := Count(s, r)
	cuts := []int{0}
	for at := 0; at < n; {
		at = min(n, at+1+pick(n))
		cuts = append(cuts, at)
	}
	var got []string
	for i := 1; i < len(cuts); i++ {
		part := Request(AppendItems([]byte("before"), s, r, cuts[i-1], cuts[i])[len("before"):])
		if _, info, err := Check(s, part, Limits{}); err != nil || info.Canonicalized || info.Items != cuts[i]-cuts[i-1] {
			t.Fatalf("items %d to %d: %v %+v\n%x", cuts[i-1], cuts[i], err, info, part)
		}
		got = append(got, itemLeaves(s, part)...)
	}
	if want := itemLeaves(s, r); !slices.Equal(got, want) {
		t.Fatalf("the cuts %v have\n%v\nwant\n%v", cuts, got, want)
	}
	whole := Request(AppendItems(nil, s, r, 0, n))
	if !slices.Equal(itemLeaves(s, whole), itemLeaves(s, r)) {
		t.Fatal("all items are not the request")
	}
}

// itemLeaves are the leaves that are items.
func itemLeaves(s Signal, r Request) (out []string) {
	depth := 3 // resource, scope, item
	if s == Metrics {
		depth = 5
	}
	for _, l := range leaves(s, r) {
		n := 1
		for _, c := range l {
			if c == ' ' {
				n++
			}
		}
		if n == depth {
			out = append(out, l)
		}
	}
	return out
}

func TestItemsAreCutWithAllAroundThem(t *testing.T) {
	for seed := range uint64(300) {
		for _, s := range []Signal{Metrics, Logs, Traces} {
			g := &generator{entropy: randomEntropy(seed, 4096), strict: true}
			r, _, err := Check(s, g.request(s), Limits{})
			if err != nil {
				continue
			}
			holdItems(t, s, r, func(n int) int { return int(seed) % (n + 1) / 3 })
		}
	}
}

func BenchmarkAppendItems(b *testing.B) {
	r := benchLogs(b)
	n := Count(Logs, r)
	for _, k := range []int{1, n / 100, n / 2} {
		b.Run(fmt.Sprint(k), func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendItems(dst[:0], Logs, r, n/3, n/3+k)
			}
		})
	}
}
