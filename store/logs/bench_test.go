package logs

import (
	"testing"
	"time"

	"github.com/sluiceio/sluice/store/logs/logstest"
)

func BenchmarkAppend(b *testing.B) {
	s := open(b, Options{})
	bt := logstest.Sample(b, time.Now().Add(-time.Second))
	b.SetBytes(int64(len(bt.Request)))
	b.ReportAllocs()
	spent := logstest.CPU(b)
	for b.Loop() {
		put(b, s, bt)
	}
	logstest.PerRow(b, spent, bt.Items)
}
