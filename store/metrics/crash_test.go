package metrics

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/metrics/metricstest"
)

// childVariable names the folder of the store in a test binary that was started again to be killed.
// numberVariable is the first number that it appends.
const (
	childVariable  = "SLUICE_TEST_STORE"
	numberVariable = "SLUICE_TEST_NUMBER"
)

func childDir() string { return os.Getenv(childVariable) }

// runChild appends numbered samples, one batch after the other, and says after each which one is acknowledged.
func runChild(dir string) {
	t := &testing.B{}
	s := pipelinetest.SettingsOf(ledger.New(), pipeline.KindExporter, pipeline.ID{Type: "store"}, pipeline.Metrics)
	s.Log = slog.New(slog.DiscardHandler)
	st, err := Open(s, dir, Options{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	first, err := strconv.Atoi(os.Getenv(numberVariable))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	begin := time.Now().Add(-time.Minute)
	for i := first; ; i++ {
		at := func(i int) time.Time { return begin.Add(time.Duration(i-first) * time.Millisecond) }
		md := metricstest.Gauge(
			metricstest.At("a", at(i), float64(i)),
			metricstest.At("b", at(i), float64(i)),
			metricstest.At("late", at(i-i%10+9-i%10), float64(i)), // each ten in reverse
		)
		if err := pipelinetest.Final(st.Append(context.Background(), metricstest.Batch(t, md))); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

// TestKilled kills a process with SIGKILL while it appends, five times over the same folder: whatever was
// acknowledged is there.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	var acknowledged []int
	for round := range 5 {
		first := round * 1_000_000
		last := appendUntilKilled(t, dir, first, first+300+50*round)
		for i := first; i <= last; i++ {
			acknowledged = append(acknowledged, i)
		}
		st, _ := open(t, dir, Options{})
		for _, series := range []string{"a", "b", "late"} {
			got := values(t, st, series)
			missing := 0
			for _, i := range acknowledged {
				if !got[i] {
					missing++
				}
			}
			if missing > 0 {
				t.Errorf("round %d: series %s misses %d of %d acknowledged samples", round, series, missing, len(acknowledged))
			}
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the next round's clock is past the samples of this one
	}
}

// appendUntilKilled starts a child, kills it when it has acknowledged the given number, and returns the last number
// that it acknowledged.
func appendUntilKilled(t *testing.T, dir string, first, until int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+dir, numberVariable+"="+strconv.Itoa(first))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := -1
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil {
			t.Fatalf("child: %s", lines.Text())
		}
		if last = n; n == until {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // killed
	if last < until {
		t.Fatalf("the child ended after %d", last)
	}
	return last
}

// values returns the values of all samples of a series.
func values(t *testing.T, st *Store, series string) map[int]bool {
	t.Helper()
	q, err := st.db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(context.Background(), false, nil, labels.MustNewMatcher(labels.MatchEqual, "s", series))
	out := map[int]bool{}
	for set.Next() {
		it := set.At().Iterator(nil)
		for it.Next() == chunkenc.ValFloat {
			_, v := it.At()
			out[int(v)] = true
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
