package traces

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/traces/tracestest"
)

// childVariable names the folder of the store in a test binary that was started again to be killed.
const childVariable = "SLUICE_TEST_TRACE_STORE"

// roundVariable numbers the children of a test, which write other traces each.
const roundVariable = "SLUICE_TEST_TRACE_ROUND"

// writers is how many callers the child appends from; their batches share syncs.
const writers = 3

// runChild appends numbered traces and says which are acknowledged. Half of trace n comes with the batch of n, half
// with that of n+1, an hour later by its own clock, so that batches hold several traces and traces several fragments.
func runChild(dir string) {
	s := pipelinetest.SettingsOf(ledger.New(), pipeline.KindExporter, pipeline.ID{Type: "store"}, pipeline.Traces)
	s.Log = slog.New(slog.DiscardHandler)
	st, err := Open(s, dir, Options{Now: tracestest.NewClock().Now})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	round, _ := strconv.Atoi(os.Getenv(roundVariable)) // 0 where it does not matter
	var out sync.Mutex
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := 1; ; i++ {
				if err := st.Append(context.Background(), tracestest.BatchOf(&testing.B{}, tracestest.SpanText(&testing.B{}, numbered(round, w, i)))); err != nil {
					fmt.Println(err)
					os.Exit(1)
				}
				out.Lock()
				fmt.Println(w, i)
				out.Unlock()
			}
		})
	}
	group.Wait()
}

// numbered is batch i of a writer: spans 1 and 2 of its trace i, and span 3 of its trace i-1.
func numbered(round, writer, i int) string {
	text := fmt.Sprintf("resource service.name=w%d\nspan %x/1 - a server -90m 1s i=%d\nspan %[2]x/2 1 b client -80m 1s\n",
		writer, traceNumber(round*writers+writer, i), i)
	if i > 1 {
		text += fmt.Sprintf("span %x/3 1 c client -5m 1s\n", traceNumber(round*writers+writer, i-1))
	}
	return text
}

func traceNumber(writer, i int) int { return (writer+1)<<24 | i }

// TestKilled kills a process with SIGKILL while it appends, several times over the same folder: every span that was
// acknowledged is there, once.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	for round := range 4 {
		last := killedChild(t, dir, round)
		st, _, _ := open(t, dir, Options{})
		for w, n := range last {
			if n == 0 {
				t.Fatalf("round %d: writer %d has nothing acknowledged", round, w)
			}
			for i := 1; i <= n; i++ {
				got := st.mustTrace(t, fmt.Sprintf("%x", traceNumber(round*writers+w, i)))
				want := 3
				if i == n {
					want = 2 // its third span is of the next batch, which may or may not be stored
				}
				if len(got) < want || len(got) > 3 {
					t.Fatalf("round %d: trace %d of writer %d has spans %v, want %d", round, i, w, got, want)
				}
			}
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killedChild runs a child until some batches are acknowledged, kills it, and returns the last one of each writer.
func killedChild(t *testing.T, dir string, round int) (last [writers]int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+dir, roundVariable+"="+strconv.Itoa(round))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for read := 0; lines.Scan(); read++ {
		var w int
		if _, err := fmt.Sscan(lines.Text(), &w, new(string)); err != nil {
			t.Fatalf("child: %s", lines.Text())
		}
		i, err := strconv.Atoi(lines.Text()[2:])
		if err != nil {
			t.Fatalf("child: %s", lines.Text())
		}
		last[w] = i
		if read == 60+40*round {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // killed
	return last
}
