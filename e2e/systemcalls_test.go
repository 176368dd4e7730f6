package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// strace makes the kernel do something else at a running process' system calls. detach ends that.
func strace(t *testing.T, p *process, calls, inject string) (detach func()) {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	cmd := exec.Command(path, "-f", "-q", "-o", "/dev/null", "-p", strconv.Itoa(p.cmd.Process.Pid), "-e", "trace="+calls, "-e", "inject="+calls+":"+inject)
	said := &output{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // it attaches
	if text := said.String(); strings.Contains(text, "not permitted") {
		t.Skip("strace may not attach: ", text)
	}
	return func() {
		cmd.Process.Signal(syscall.SIGINT)
		cmd.Wait()
	}
}

// TestKilledAtASystemCall (F02): SIGKILL at the n-th write, fsync, rename, ... of any thread. Every record that was answered
// arrives, and the next start is quick.
func TestKilledAtASystemCall(t *testing.T) {
	t.Parallel()
	counts := []int{2}
	if os.Getenv("SLUICE_FAULTS") != "" {
		counts = []int{1, 2, 3, 5, 8, 13, 21, 50, 100}
	}
	const records = 20
	dir := t.TempDir()
	a, b := newOTLPSink(t), newOTLPSink(t)
	p := ports(t, 3)
	cfg := queueFile(t, dir, p[0], a.port, b.port, p[1], p[2])
	start := func() *process { return run(t, "sluice-collector", "--config", cfg, "--data-dir", dir).ready(p[2]) }
	collector := start()
	clients := startPushers(p[0], 4, records, 5*time.Millisecond)
	deaths, reached := 0, map[string]int{}
	for _, calls := range []string{"write", "pwrite64", "fsync", "fdatasync", "renameat,renameat2,rename", "unlinkat,unlink", "fallocate,ftruncate", "openat"} {
		for _, n := range counts {
			detach := strace(t, collector, calls, "signal=SIGKILL:when="+strconv.Itoa(n))
			select {
			case <-collector.done:
				reached[calls]++
				deaths++
				detach()
				begin := time.Now()
				collector = start()
				if took := time.Since(begin); took > 5*time.Second {
					t.Errorf("after a death at %s: ready after %s", calls, took)
				}
			case <-time.After(1500 * time.Millisecond):
				detach()
			}
		}
	}
	total := clients.end()
	eventually(t, 60*time.Second, "every record at both", func() bool { return clients.arrived(a) && clients.arrived(b) })
	if n := unaccounted(t, p[1]); n != 0 {
		t.Errorf("%v items unaccounted for", n)
	}
	collector.terminate()
	for c, n := range clients.acked {
		a.logs.check(t, clients.name(c), n, deaths*11*records)
		b.logs.check(t, clients.name(c), n, deaths*11*records)
	}
	for _, calls := range []string{"write", "pwrite64", "renameat,renameat2,rename"} {
		if reached[calls] == 0 {
			t.Errorf("no death at %s; the test proves little", calls)
		}
	}
	t.Logf("%d deaths (%v), %d records", deaths, reached, total)
}

// TestSlowDisk (F18): each fsync takes 300 ms. Answers get slower, and nothing else happens.
func TestSlowDisk(t *testing.T) {
	dir := t.TempDir()
	a, b := newOTLPSink(t), newOTLPSink(t)
	p := ports(t, 3)
	cfg := queueFile(t, dir, p[0], a.port, b.port, p[1], p[2])
	collector := run(t, "sluice-collector", "--config", cfg, "--data-dir", dir).ready(p[2])
	clients := startPushers(p[0], 16, 20, 5*time.Millisecond)
	time.Sleep(time.Second)
	detach := strace(t, collector, "fsync,fdatasync", "delay_enter=300000")
	clients.worst.Store(0)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", p[2]))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("health answers %d", res.StatusCode)
		}
	}
	if worst := time.Duration(clients.worst.Load()); worst < 250*time.Millisecond || worst > 5*time.Second {
		t.Errorf("an answer took %s at most; the disk was not slow, or the clients starved", worst)
	}
	detach()
	clients.end()
	eventually(t, 20*time.Second, "every record at both", func() bool { return clients.arrived(a) && clients.arrived(b) })
	if n := unaccounted(t, p[1]); n != 0 {
		t.Errorf("%v items unaccounted for", n)
	}
	collector.terminate()
	for c, n := range clients.acked {
		a.logs.check(t, clients.name(c), n, 0)
		b.logs.check(t, clients.name(c), n, 0)
	}
}

// TestNoInodes (F20): the disk of the queue has no inode left. Senders are refused, the process goes on, and it recovers.
func TestNoInodes(t *testing.T) {
	dir := t.TempDir()
	disk := dir + "/queues"
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=200m,nr_inodes=12"); err != nil {
		t.Skipf("cannot mount a disk with few inodes: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	a, b := newOTLPSink(t), newOTLPSink(t)
	p := ports(t, 3)
	cfg := queueFile(t, dir, p[0], a.port, b.port, p[1], p[2])
	collector := run(t, "sluice-collector", "--config", cfg, "--data-dir", dir).ready(p[2])
	for range 5 {
		if code, err := pushLogs(p[0], numberedRequest("refused", 0, 10)); err != nil || code != http.StatusServiceUnavailable && code != http.StatusTooManyRequests {
			t.Errorf("without inodes a request is answered %d, %v", code, err)
		}
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=200m,nr_inodes=10000"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "an answer", func() bool {
		code, err := pushLogs(p[0], numberedRequest("fresh", 0, 10))
		return err == nil && code == http.StatusOK
	})
	eventually(t, 10*time.Second, "a fresh record", func() bool { return a.logs.unique("fresh") == 10 && b.logs.unique("fresh") == 10 })
	if n := unaccounted(t, p[1]); n != 0 {
		t.Errorf("%v items unaccounted for", n)
	}
	collector.terminate()
}

// TestNoDescriptors (F20): the process may open no more files for a while. What is open goes on; afterwards all does.
func TestNoDescriptors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := newOTLPSink(t), newOTLPSink(t)
	b.status.Store(503)
	p := ports(t, 3)
	cfg := queueFile(t, dir, p[0], a.port, b.port, p[1], p[2])
	collector := run(t, "sluice-collector", "--config", cfg, "--data-dir", dir).ready(p[2])
	clients := startPushers(p[0], 8, 50, 2*time.Millisecond)
	time.Sleep(time.Second)
	var before unix.Rlimit
	few := unix.Rlimit{Cur: 10, Max: 1 << 16}
	if err := unix.Prlimit(collector.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	few.Max = before.Max
	if err := unix.Prlimit(collector.cmd.Process.Pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "a refused connection", func() bool {
		fresh := http.Client{Timeout: 300 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := fresh.Get(fmt.Sprintf("http://127.0.0.1:%d/", p[2]))
		if err == nil {
			res.Body.Close()
		}
		return err != nil
	})
	time.Sleep(3 * time.Second)
	if err := unix.Prlimit(collector.cmd.Process.Pid, unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	b.status.Store(0)
	eventually(t, 10*time.Second, "the health endpoint", func() bool {
		res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", p[2]))
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	clients.end()
	eventually(t, 30*time.Second, "every record at both", func() bool { return clients.arrived(a) && clients.arrived(b) })
	if n := unaccounted(t, p[1]); n != 0 {
		t.Errorf("%v items unaccounted for", n)
	}
	collector.terminate()
	for c, n := range clients.acked {
		a.logs.check(t, clients.name(c), n, n)
		b.logs.check(t, clients.name(c), n, n)
	}
}
