package queue

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/spool/spooltest"
)

// TestMemoryIsBounded: records are handed out while they fit into the share; one always, however large it is. What a refused
// lane has back does not count, so that it does not hold the others.
func TestMemoryIsBounded(t *testing.T) {
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "fake")
	q := openWith(t, spooltest.NewFS(), s, func(o *Options) { o.Memory, o.Consumers = 1000, 100 })
	defer q.Close()
	for _, tenant := range []string{"", "", "", "other", "large"} {
		b := batchOf(tenant + strings.Repeat("x", 400))
		if tenant == "large" {
			b = batchOf(strings.Repeat("y", 5000))
		}
		b.Origin.Tenant = tenant
		if err := q.Put(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	take := func() *Item {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		it, _ := q.Take(ctx)
		return it
	}
	var out []*Item
	size := 0
	for it := take(); it != nil; it = take() {
		out = append(out, it)
		size += int(it.weigh())
	}
	if len(out) == 0 || size > 1000 && len(out) > 1 {
		t.Fatalf("%d records of %d bytes are handed out of 1,000", len(out), size)
	}
	total := 0
	for len(out) > 0 {
		it := out[0]
		out = out[1:]
		if total == 0 {
			it.Back(nil, &pipeline.Refused{After: time.Hour})
			total = 1 // it stays away for an hour, without the others
		} else {
			it.Settle()
			total++
		}
		for it := take(); it != nil; it = take() {
			out = append(out, it)
		}
	}
	if left := q.Status().Records; total < 3 || left == 0 {
		t.Errorf("%d records were handled, %d are left", total, left)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lent != 0 {
		t.Errorf("%d bytes are lent, and nothing is handed out", q.lent)
	}
}
