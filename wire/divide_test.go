package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestDivideIsAppendItems: a part is what AppendItems makes of its items, one share after the other, but with one
// container for all that share it. So both have the same items with the same context.
func TestDivideIsAppendItems(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var d Divider
	for round := range uint64(1000) {
		s := []Signal{Metrics, Logs, Traces}[round%3]
		g := generator{entropy: randomEntropy(round, 3000), strict: true}
		req := g.request(s)
		n := Count(s, req)
		const most = 4
		shares := []Share{}
		var want [most][]byte
		for at := 0; at < n; {
			count, to := 1+r.IntN(4), r.IntN(most+1)-1
			count = min(count, n-at)
			shares = append(shares, Share{To: to, Count: count})
			for i := at; i < at+count && to >= 0; i++ {
				want[to] = AppendItems(want[to], s, req, i, i+1)
			}
			at += count
		}
		parts := make([][]byte, most)
		d.Divide(parts, s, req, shares)
		for i, part := range parts {
			checked, info, err := Check(s, bytes.Clone(part), Limits{})
			if err != nil || !bytes.Equal(checked, part) || info.Items != Count(s, want[i]) {
				t.Fatalf("round %d, part %d: %d items, want %d: %v", round, i, info.Items, Count(s, want[i]), err)
			}
			if got, want := each(s, part), each(s, want[i]); !bytes.Equal(got, want) {
				t.Fatalf("round %d, part %d: the items or their context differ\n%x\n%x", round, i, got, want)
			}
		}
	}
}

// each is a request with a ResourceX for each item.
func each(s Signal, r Request) (out []byte) {
	for i := range Count(s, r) {
		out = AppendItems(out, s, r, i, i+1)
	}
	return out
}

// TestDivideCopiesWholeContainers: what goes to one part is copied byte for byte.
func TestDivideCopiesWholeContainers(t *testing.T) {
	var d Divider
	for seed := range uint64(50) {
		g := generator{entropy: randomEntropy(seed, 3000), strict: true}
		req := Request(g.request(Logs))
		var shares []Share
		parts, want := [][]byte{nil, nil}, [][]byte{nil, nil}
		i := 0
		for rs := req.Resources(); rs.Next(); i++ {
			from, to := rs.Range()
			n := Count(Logs, req[from:to])
			if n == 0 {
				continue
			}
			shares = append(shares, Share{To: i % 2, Count: n})
			want[i%2] = append(want[i%2], req[from:to]...)
		}
		d.Divide(parts, Logs, req, shares)
		for i := range want {
			if !bytes.Equal(parts[i], want[i]) {
				t.Fatalf("part %d differs", i)
			}
		}
	}
}

func BenchmarkDivide(b *testing.B) {
	req := benchLogs(b)
	n := Count(Logs, req)
	for _, run := range []int{n, 100, 1} {
		b.Run(fmt.Sprintf("runs of %d", run), func(b *testing.B) {
			var shares []Share
			for at, to := 0, 0; at < n; at, to = at+run, 1-to {
				shares = append(shares, Share{To: to, Count: min(run, n-at)})
			}
			var d Divider
			parts := make([][]byte, 2)
			b.ReportAllocs()
			for b.Loop() {
				parts[0], parts[1] = parts[0][:0], parts[1][:0]
				d.Divide(parts, Logs, req, shares)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/item")
		})
	}
}
