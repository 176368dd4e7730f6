package logs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/logs/logstest"
	"github.com/sluiceio/sluice/store/logs/rows"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

// killDir names the store of a child that TestKill starts.
const killDir = "SLUICE_TEST_KILL_DIR"

// appendUntilKilled is the child: it appends numbered rows without end, new streams among them, rows of yesterday, and
// now and then enough for the library to write parts on its own, and says after each answer which numbers are safe.
func appendUntilKilled(dir string) {
	settings := pipelinetest.SettingsOf(ledger.New(), pipeline.KindExporter, pipeline.ID{Type: "store"}, pipeline.Logs)
	settings.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := Open(settings, dir, Options{CheckpointBytes: 256 << 10})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out := bufio.NewWriter(os.Stdout)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, seed))
	first, _ := strconv.Atoi(os.Getenv(killDir + "_FROM"))
	for n := first; ; {
		rows := 1 + random.IntN(50)
		if random.IntN(20) == 0 {
			rows = 3000
		}
		logs := plog.NewLogs()
		for i := range rows {
			rl := logs.ResourceLogs().AppendEmpty()
			rl.Resource().Attributes().PutStr("service.name", "svc-"+strconv.Itoa((n+i)%7))
			rl.Resource().Attributes().PutStr("service.instance.id", strconv.Itoa((n+i)/5000))
			r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
			if (n+i)%11 == 0 {
				r.SetTimestamp(logstest.Time(time.Now().Add(-24 * time.Hour)))
			}
			r.Attributes().PutInt("number", int64(n+i))
			r.Body().SetStr(strings.Repeat("x", random.IntN(300)) + " number " + strconv.Itoa(n+i))
		}
		body, _ := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
		if err := s.Append(context.Background(), pipeline.Batch{Signal: pipeline.Logs, Request: body, Items: rows}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		n += rows
		fmt.Fprintln(out, n)
		out.Flush()
	}
}

// TestKill kills a process that appends, several times over the same folder, and looks for every row that it was told
// is safe: there, once, and in its stream.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	safe := 0
	var sent []int // numbers from..to of each run that were answered
	for _, run := range []time.Duration{300 * time.Millisecond, 1500 * time.Millisecond, 700 * time.Millisecond} {
		from := safe + 1_000_000
		safe = killAfter(t, dir, from, run)
		sent = append(sent, from, safe)
	}
	s, _ := openIn(t, dir, Options{})
	seen := map[int]int{}
	for _, row := range rowsOf(t, s, `!"`+rows.FieldMarker+`":*`) {
		n, err := strconv.Atoi(row["number"])
		if err != nil {
			t.Fatalf("a row without a number: %v", row)
		}
		seen[n]++
		if want := `service_name="svc-` + strconv.Itoa(n%7) + `"`; !strings.Contains(row[rows.FieldStream], want) {
			t.Fatalf("row %d is in the stream %q", n, row[rows.FieldStream])
		}
	}
	total := 0
	for i := 0; i < len(sent); i += 2 {
		for n := sent[i]; n < sent[i+1]; n++ {
			if seen[n] != 1 {
				t.Fatalf("row %d, which was answered nil, is there %d times", n, seen[n])
			}
			total++
		}
	}
	for n, times := range seen {
		if times != 1 {
			t.Fatalf("row %d is there %d times", n, times)
		}
	}
	t.Logf("%d rows safe, %d there", total, len(seen))
	if total < 1000 {
		t.Errorf("only %d rows were appended: the test shows nothing", total)
	}
}

// killAfter runs the child until the time is over and kills it. It returns the number behind the last safe row.
func killAfter(t *testing.T, dir string, from int, run time.Duration) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killDir+"="+dir, killDir+"_FROM="+strconv.Itoa(from))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	safe := from
	read := func() bool {
		line, err := lines.ReadString('\n')
		if err != nil {
			return false
		}
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Errorf("the child says %q", line)
			return false
		}
		safe = n
		return true
	}
	if !read() { // it runs
		t.Fatal("the child did not append")
	}
	time.AfterFunc(run, func() { _ = cmd.Process.Kill() })
	for read() {
	}
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended with %v", err)
	}
	return safe
}
