package batch

import (
	"testing"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// BenchmarkConsume is the cost of the processor itself, per request of 1,000 records, alone and with company.
func BenchmarkConsume(b *testing.B) {
	s, _ := pipelinetest.Settings(b, pipeline.KindProcessor, "batch")
	p, err := New(s, Default(), &pipelinetest.Counter{})
	if err != nil {
		b.Fatal(err)
	}
	req := logs("some body of a usual length, as services write them all day long", 1000)
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(req.Request)))
		for b.Loop() {
			if err := p.Consume(b.Context(), req); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("merged", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(req.Request)))
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := p.Consume(b.Context(), req); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
