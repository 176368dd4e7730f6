package wire

import (
	"bytes"
	"testing"
)

// editItemsAndCompare holds EditItems and EditMetrics against a slowEditor.
func editItemsAndCompare(t testing.TB, e *Editor, s Signal, r Request, entropy []byte) (changed bool) {
	t.Helper()
	m, _ := root(s)
	plans := planner(entropy, 1+min(len(entropy), Count(s, r)))
	for _, metrics := range []bool{false, true} {
		if metrics && s != Metrics {
			continue
		}
		slow := slowEditor{plans: plans, metrics: metrics}
		want, _ := slow.message(m, r)
		if slow.removed == 0 {
			slow.old = nil
		}
		sent := bytes.Clone(r)
		var got Edited
		next := 0
		if metrics {
			got = e.EditMetrics(make([]byte, 3, 100), r, func(it *Item) {
				n := countPoints(it.body)
				plans[next%len(plans)].apply(it)
				next += n
			})
		} else {
			got = e.EditItems(make([]byte, 3, 100), s, r, func(it *Item) {
				plans[next%len(plans)].apply(it)
				next++
			})
		}
		switch {
		case !bytes.Equal(r, sent):
			t.Fatal("the edit wrote to the request")
		case !bytes.Equal(got.Request, want):
			t.Fatalf("differs from the slow edit\nwas  %x\ngot  %x\nwant %x", r, got.Request, want)
		case slow.changed && !got.Changed:
			t.Fatal("changed, but does not say so")
		case !got.Changed && len(r) > 0 && &got.Request[0] != &r[0]:
			t.Fatal("unchanged, but not the request itself")
		case got.Removed != slow.removed:
			t.Fatalf("%d removed, want %d", got.Removed, slow.removed)
		}
		compareKept(t, got.Kept, slow.old)
		if _, info, err := Check(s, got.Request, Limits{}); err != nil || info.Canonicalized {
			t.Fatalf("not canonical after the edit: %v %+v\n%x", err, info, got.Request)
		} else if info.Items != Count(s, r)-got.Removed {
			t.Fatalf("%d items, of %d %d are removed", info.Items, Count(s, r), got.Removed)
		}
		changed = changed || got.Changed
	}
	return changed
}

// compareKept holds a Kept against the plain list of indices.
func compareKept(t testing.TB, k Kept, old []int) {
	t.Helper()
	for i, want := range old {
		if got := k.Old(i); got != want {
			t.Fatalf("item %d was item %d, not %d: %v", i, want, got, k)
		}
	}
	if len(old) > 0 && (k.Old(-1) != -1 || k.Old(len(old)) != -1) {
		t.Fatal("an item that is not there has been one")
	}
	for i := 1; i < len(k); i++ {
		if a, b := k[i-1], k[i]; a.Old+a.Count >= b.Old || a.New+a.Count != b.New || b.Count <= 0 {
			t.Fatalf("runs that are not sorted, apart and in a row: %v", k)
		}
	}
}

// itemSeed makes a request that has items, since the generator seldom gets down to them.
func itemSeed(s Signal, seed uint64) Request {
	g := generator{entropy: randomEntropy(seed, 6000), strict: true}
	m, _ := root(s)
	return g.towardsItems(nil, m, 0)
}

// towardsItems is message with several children on the way to the items.
func (g *generator) towardsItems(dst []byte, m message, depth int) []byte {
	if !leadsToItems(m) || attributeFields[m] > 0 && m != msgMetric {
		return g.attributed(dst, m, depth)
	}
	if g.rarely(3) {
		dst = g.unknown(dst)
	}
	num := 0
	for n, f := range schemas[m] {
		if f.sub() != msgNone && leadsToItems(f.sub()) && (num == 0 || m == msgMetric && g.rarely(2)) {
			num = n
		}
	}
	count := g.pick(5)
	if m == msgMetric {
		dst = g.field(dst, FieldMetricName, schemas[m][FieldMetricName], depth)
		count = 1
	}
	for range count {
		dst = g.bytes(dst, num, g.towardsItems(nil, schemas[m][num].sub(), depth+1))
	}
	switch {
	case m == msgMetric:
		dst = g.field(dst, FieldMetricMetadata, schemas[m][FieldMetricMetadata], depth)
	case schemas[m][FieldScopeXSchemaURL].kind() == kindString:
		dst = g.field(dst, FieldScopeXSchemaURL, schemas[m][FieldScopeXSchemaURL], depth)
		dst = g.field(dst, FieldScopeXScope, schemas[m][FieldScopeXScope], depth)
	}
	if g.rarely(4) {
		dst = g.unknown(dst)
	}
	return dst
}

// attributed is message with attributes before and behind what it makes.
func (g *generator) attributed(dst []byte, m message, depth int) []byte {
	attrs := int(attributeFields[m])
	for range g.pick(4) * min(attrs, 1) {
		dst = g.field(dst, attrs, schemas[m][attrs], depth)
	}
	if g.rarely(5) {
		dst = g.unknown(dst)
	}
	dst = g.message(dst, m, depth)
	for range g.pick(3) * min(attrs, 1) {
		dst = AppendStringAttribute(dst, attrs, g.text(), g.text())
	}
	return dst
}

// What is not named by an edit is byte for byte the same, and what is named is as a slow edit makes it.
func TestEditItemsAgainstSlow(t *testing.T) {
	for _, s := range []Signal{Metrics, Logs, Traces} {
		t.Run(s.String(), func(t *testing.T) {
			e := &Editor{}
			items, changed := 0, 0
			for seed := range uint64(1500) {
				r := itemSeed(s, seed)
				if _, info, err := Check(s, r, Limits{}); err != nil || info.Canonicalized {
					t.Fatalf("seed %d is no request: %v", seed, err)
				}
				items += Count(s, r)
				if editItemsAndCompare(t, e, s, r, randomEntropy(seed+7, 400)) {
					changed++
				}
			}
			if items < 10000 || changed < 800 {
				t.Fatalf("the generator has grown dull: %d items, %d requests changed", items, changed)
			}
		})
	}
}
