package traces

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/traces/tracestest"
)

// TestDamagedLog damages the write-ahead log of a killed process: what can be read is there, the rest is counted.
func TestDamagedLog(t *testing.T) {
	const batches = 40
	for name, c := range map[string]struct {
		noise  int // bytes in each batch
		change func(b []byte) []byte
		lost   int
		counts map[string]bool
	}{
		"intact":              {100, func(b []byte) []byte { return b }, 0, map[string]bool{}},
		"intact, many parts":  {90_000, func(b []byte) []byte { return b }, 0, map[string]bool{}},
		"flipped":             {100, flipped(2), 1, map[string]bool{"corrupt_records": true}},
		"flipped, many parts": {90_000, flipped(2), 1, map[string]bool{"corrupt_records": true}},
		"cut":                 {100, func(b []byte) []byte { return b[:len(b)-17] }, 1, map[string]bool{"torn_bytes": true}},
		"cut, many parts":     {90_000, func(b []byte) []byte { return b[:len(b)-40_000] }, 1, map[string]bool{"torn_bytes": true}},
		"its first records": {100, func(b []byte) []byte { // they hold the row of the hour, too
			for i := range 900 {
				b[i] ^= 0x55
			}
			return b
		}, -1, map[string]bool{"corrupt_records": true}},
	} {
		t.Run(name, func(t *testing.T) {
			st, _, _ := open(t, t.TempDir(), Options{MemoryBytes: 128 << 20})
			for i := range batches {
				st.mustAppend(t, fmt.Sprintf("span %x/1 - op server -10m 1s noise=%s", i+1, tracestest.Noise(c.noise, i)))
			}
			dir := copyOf(t, st.dir)
			logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
			if err != nil || len(logs) == 0 {
				t.Fatal(logs, err)
			}
			newest := logs[len(logs)-1]
			text, err := os.ReadFile(newest)
			if err == nil {
				err = os.WriteFile(newest, c.change(text), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
			again, err := Open(s, dir, Options{Now: tracestest.NewClock().Now})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := again.Close(); err != nil {
					t.Error(err)
				}
			}()
			found := 0
			for i := range batches {
				found += len(again.mustTrace(t, fmt.Sprintf("%x", i+1)))
			}
			if want := batches - c.lost; found == 0 || c.lost >= 0 && found != want {
				t.Errorf("%d spans are found, want %d", found, want)
			}
			if _, ok := again.Oldest(); !ok {
				t.Error("the hour is not known")
			}
			for _, what := range []string{"corrupt_records", "torn_bytes"} {
				if n := counter(t, s.Metrics, "sluice_store_trace_wal_"+what+"_total"); (n > 0) != c.counts[what] {
					t.Errorf("%s: %v are counted", what, n)
				}
			}
		})
	}
}

// flipped changes one byte at half of the length, or that many times less.
func flipped(part int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[len(b)/part] ^= 0xff
		return b
	}
}

func counter(t *testing.T, reg prometheus.Registerer, name string) (n float64) {
	t.Helper()
	families, err := reg.(prometheus.Gatherer).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			n += f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return n
}

// copyOf copies the files of an open store, as a kill would leave them.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}
