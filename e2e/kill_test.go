package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"
)

// The writer's rate and how often it rotates.
const (
	linesPerSecond = 2000
	rotateEvery    = 3000
)

// doublesPerKill limits duplicates: what was read since the last checkpoint (at most one second of input) and what was in
// flight, for which another second is generous.
const doublesPerKill = 2 * linesPerSecond

// killsOf is how often a test kills: usually so often, and SLUICE_KILLS times in make faults.
func killsOf(usually int) int {
	if n, err := strconv.Atoi(os.Getenv("SLUICE_KILLS")); err == nil {
		return n
	}
	return usually
}

// TestKillTheAgent kills the agent repeatedly while numbered lines are written and rotated. The oracle is a foreign OTLP
// endpoint. No line may be missing.
func TestKillTheAgent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sink := newOTLPSink(t)
	p := ports(t, 1)
	cfg := file(t, dir, "agent.yaml", `receivers:
  tail: {include: [%[1]s/logs/*.log], start_at: beginning}
processors:
  batch: {}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%[2]d", compression: zstd}
extensions:
  health_check: {endpoint: 127.0.0.1:%[3]d}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [tail], processors: [batch], exporters: [otlp_http]}
`, dir, sink.port, p[0])
	w := writeLines(t, dir+"/logs/app.log", "app", linesPerSecond, rotateEvery)
	killed := 0
	kills := killsOf(6)
	for range kills {
		agent := run(t, "sluice-agent", "--config", cfg, "--data-dir", dir+"/state").ready(p[0])
		time.Sleep(time.Duration(300+rand.IntN(1200)) * time.Millisecond)
		agent.kill()
		killed++
		time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond) // it rotates while nobody looks, too
	}
	agent := run(t, "sluice-agent", "--config", cfg, "--data-dir", dir+"/state").ready(p[0])
	produced := w.end()
	eventually(t, 30*time.Second, "every line", func() bool { return sink.logs.unique("app") >= produced })
	agent.terminate()
	sink.logs.check(t, "app", produced, killed*doublesPerKill)
	if produced < kills*linesPerSecond/2 {
		t.Errorf("only %d lines were written; the test proves little", produced)
	}
}

// TestKillUp kills `sluice up` and its store while numbered lines are written and rotated. The oracle is its query API,
// asked for every line after the last start.
func TestKillUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := ports(t, 2)
	cfg := file(t, dir, "up.yaml", `receivers:
  tail: {include: [%[1]s/logs/*.log], start_at: beginning, service_name: numbered}
processors:
  batch: {}
exporters:
  store: {endpoint: 127.0.0.1:%[2]d}
extensions:
  health_check: {endpoint: 127.0.0.1:%[3]d}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [tail], processors: [batch], exporters: [store]}
`, dir, p[0], p[1])
	start := time.Now()
	w := writeLines(t, dir+"/logs/app.log", "app", linesPerSecond, rotateEvery)
	const kills = 6
	for range kills {
		up := run(t, "sluice", "up", "--config", cfg, "--data-dir", dir+"/state").ready(p[1])
		time.Sleep(time.Duration(300+rand.IntN(1200)) * time.Millisecond)
		up.kill()
	}
	up := run(t, "sluice", "up", "--config", cfg, "--data-dir", dir+"/state").ready(p[1])
	produced := w.end()
	var book *tally
	eventually(t, 60*time.Second, fmt.Sprintf("%d lines in the store", produced), func() bool {
		book = newTally()
		readLines(t, p[0], `{service_name="numbered"}`, start, book)
		return book.unique("app") >= produced
	})
	if n := instantLogs(t, p[0], fmt.Sprintf(`sum(count_over_time({service_name="numbered"}[%ds]))`, int(time.Since(start).Seconds())+60)); int(n) < produced {
		t.Errorf("count_over_time counts %.0f lines of %d", n, produced)
	}
	book.check(t, "app", produced, kills*doublesPerKill)
	up.terminate()
}

// instantLogs is the value of an instant LogQL query with one series.
func instantLogs(t testing.TB, api int, query string) float64 {
	t.Helper()
	var body struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if err := getJSON(t.Context(), fmt.Sprintf("http://127.0.0.1:%d/loki/api/v1/query", api), url.Values{"query": {query}}, &body); err != nil {
		t.Logf("%s: %v", query, err)
		return 0
	}
	if len(body.Data.Result) == 0 {
		return 0
	}
	text, _ := body.Data.Result[0].Value[1].(string)
	v, _ := strconv.ParseFloat(text, 64)
	return v
}

// readLines pages through all lines of a selector, forward in time. Lines may share a timestamp, so a page begins at the
// last one's time and skips lines already seen.
func readLines(t testing.TB, api int, selector string, from time.Time, book *tally) {
	t.Helper()
	const page = 5000
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	at, seenAt := from.UnixNano(), 0
	for {
		var body struct {
			Data struct {
				Result []struct{ Values [][2]string }
			}
		}
		q := url.Values{
			"query": {selector}, "direction": {"forward"}, "limit": {strconv.Itoa(page)},
			"start": {strconv.FormatInt(at, 10)}, "end": {strconv.FormatInt(time.Now().Add(time.Minute).UnixNano(), 10)},
		}
		if err := getJSON(ctx, fmt.Sprintf("http://127.0.0.1:%d/loki/api/v1/query_range", api), q, &body); err != nil {
			t.Fatal(err)
		}
		type entry struct {
			at   int64
			line string
		}
		var all []entry
		for _, r := range body.Data.Result {
			for _, v := range r.Values {
				ns, err := strconv.ParseInt(v[0], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, entry{ns, v[1]})
			}
		}
		if len(all) <= seenAt {
			return
		}
		last := all[0].at
		for _, e := range all {
			last = max(last, e.at)
		}
		skip, atLast := seenAt, 0
		for _, e := range all {
			if e.at == at && skip > 0 {
				skip--
				continue
			}
			book.line(e.line)
		}
		for _, e := range all {
			if e.at == last {
				atLast++
			}
		}
		if len(all) < page {
			return
		}
		if last == at {
			t.Fatalf("more than %d lines share the time %d", page, at)
		}
		at, seenAt = last, atLast
	}
}
