package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// binary is the path of one of the built programs.
func binary(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("SLUICE_BIN")
	if dir == "" {
		dir = "../bin"
	}
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; run `make build` first", err)
	}
	return path
}

// process is a running program.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
	err  error // of Wait, when done is closed
}

// output keeps everything a program said; tests read it while it runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// run starts a program; the test's end kills it when it still runs.
func run(t testing.TB, name string, args ...string) *process {
	t.Helper()
	return begin(t, name, exec.Command(binary(t, name), args...))
}

// begin starts what will become a program.
func begin(t testing.TB, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, out: &output{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, tailOf(p.out.String(), 6000))
		}
	})
	return p
}

func tailOf(s string, n int) string {
	if len(s) > n {
		return "...\n" + s[len(s)-n:]
	}
	return s
}

// kill is SIGKILL.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("cannot signal: %v", err)
	}
}

// exit waits for the end and returns the exit code.
func (p *process) exit(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		p.t.Fatalf("still running after %s; it said:\n%s", within, tailOf(p.out.String(), 4000))
	}
	var ee *exec.ExitError
	if errors.As(p.err, &ee) {
		return ee.ExitCode()
	}
	if p.err != nil {
		p.t.Fatal(p.err)
	}
	return 0
}

// terminate is SIGTERM and a clean end.
func (p *process) terminate() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.exit(40 * time.Second); code != 0 {
		p.t.Fatalf("SIGTERM ended with code %d:\n%s", code, tailOf(p.out.String(), 4000))
	}
}

// eventually polls until ok answers true.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// ready waits for the health endpoint.
func (p *process) ready(health int) *process {
	p.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", health))
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return p
			}
		}
		select {
		case <-p.done:
			p.t.Fatalf("ended before it was ready: %v\n%s", p.err, p.out)
		default:
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("not ready; it said:\n%s", p.out)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// nextPort is below the range that the kernel gives to outgoing connections: tests beside this one make many.
var nextPort atomic.Int32

func init() { nextPort.Store(int32(12000 + os.Getpid()%15000)) }

// ports gives n ports that were free a moment ago, and to nobody else in this process.
func ports(t testing.TB, n int) []int {
	t.Helper()
	var out []int
	for range 2000 {
		port := 12000 + int(nextPort.Add(1)-12000)%18000
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		l.Close()
		if out = append(out, port); len(out) == n {
			return out
		}
	}
	t.Fatal("no free ports")
	return nil
}

// file writes a file into a folder of the test and returns its path.
func file(t testing.TB, dir, name, format string, args ...any) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// getJSON decodes an answer; a status other than 200 is an error with the body in it.
func getJSON(ctx context.Context, base string, query url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", base, res.Status, text)
	}
	return json.Unmarshal(text, into)
}

// instant is an instant PromQL query: the value of each series by the value of one label.
func instant(t testing.TB, api int, query, label string) map[string]float64 {
	t.Helper()
	var body struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	out := map[string]float64{}
	if err := getJSON(t.Context(), fmt.Sprintf("http://127.0.0.1:%d/api/v1/query", api), url.Values{"query": {query}}, &body); err != nil {
		t.Logf("query %s: %v", query, err)
		return out
	}
	for _, r := range body.Data.Result {
		text, _ := r.Value[1].(string)
		var v float64
		fmt.Sscan(text, &v)
		out[r.Metric[label]] = v
	}
	return out
}

// unaccounted asks a process for what its ledger cannot explain.
func unaccounted(t testing.TB, metrics int) float64 {
	t.Helper()
	return ownMetric(t, metrics, "sluice_unaccounted_items")
}

// fetch is the body of a GET.
func fetch(t testing.TB, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
