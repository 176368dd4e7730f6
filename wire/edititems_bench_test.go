package wire

import (
	"bytes"
	"testing"
)

// benchEdit runs an edit over requests of 10,000 items, into a buffer that is used again.
func benchEdit(b *testing.B, edit func(i int, it *Item)) {
	benchBulk(b, func(b *testing.B, s Signal, r Request) {
		e := Editor{}
		buf := make([]byte, 0, 2*len(r))
		i := 0
		count := func(it *Item) {
			edit(i, it)
			i++
		}
		for b.Loop() {
			i = 0
			if got := e.EditItems(buf[:0], s, r, count); got.Changed {
				buf = got.Request
			}
		}
	})
}

// What the walk and the call cost.
func BenchmarkEditItemsNothing(b *testing.B) {
	benchEdit(b, func(int, *Item) {})
}

func benchOperations(b *testing.B, operations ...AttributeOperation) {
	e, err := NewAttributeEdit(operations...)
	if err != nil {
		b.Fatal(err)
	}
	benchEdit(b, func(_ int, it *Item) { e.Apply(it) })
}

func BenchmarkEditItemsRename(b *testing.B) {
	benchOperations(b, AttributeOperation{Action: RenameAttribute, From: "http.request.method", Key: "http.method"})
}

func BenchmarkEditItemsDelete(b *testing.B) {
	benchOperations(b, AttributeOperation{Action: DeleteAttribute, Key: "client.address"})
}

func BenchmarkEditItemsDeleteAbsent(b *testing.B) {
	benchOperations(b, AttributeOperation{Action: DeleteAttribute, Key: "http.route"})
}

func BenchmarkEditItemsUpsert(b *testing.B) {
	benchOperations(b, AttributeOperation{Action: UpsertAttribute, Key: "k8s.cluster.name", Value: StringValue("prod")})
}

func BenchmarkEditItemsFiveOperations(b *testing.B) {
	benchOperations(b,
		AttributeOperation{Action: RenameAttribute, From: "http.request.method", Key: "http.method"},
		AttributeOperation{Action: DeleteAttribute, Key: "client.address"},
		AttributeOperation{Action: UpsertAttribute, Key: "k8s.cluster.name", Value: StringValue("prod")},
		AttributeOperation{Action: UpdateAttribute, Key: "k8s.pod.name", Value: StringValue("checkout-1")},
		AttributeOperation{Action: InsertAttribute, Key: "path", From: "url.path"})
}

// Every other item goes, by the value of an attribute: the most that a removal has to move.
func BenchmarkEditItemsRemoveHalf(b *testing.B) {
	benchEdit(b, func(i int, it *Item) {
		if v, ok := it.Attribute("http.response.status_code"); ok && v.Int()%2 == 0 {
			it.Remove()
		}
	})
}

// An edit that depends on the record, through the methods.
func BenchmarkEditItemsSet(b *testing.B) {
	benchEdit(b, func(i int, it *Item) {
		if v, ok := it.Attribute("url.path"); ok && bytes.HasPrefix(v.Str(), []byte("/api/v1/")) {
			it.SetAttribute("url.path", StringValue(v.Str()[7:]))
			it.SetAttribute("n", IntValue(int64(i)))
		}
	})
}

// 100 metrics of 100 points each, of which half go.
func BenchmarkEditMetricsRemoveHalf(b *testing.B) {
	r := benchMetrics(b)
	e := Editor{}
	buf := make([]byte, 0, 2*len(r))
	b.ReportAllocs()
	for b.Loop() {
		got := e.EditMetrics(buf[:0], r, func(it *Item) {
			if m := ParseMetric(it.Bytes()); m.Name[len(m.Name)-1]%2 == 0 {
				it.Remove()
			}
		})
		if got.Removed != 5000 {
			b.Fatal(got.Removed)
		}
	}
}
