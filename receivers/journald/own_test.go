package journald

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// TestOnlyOurOwnIsLeftOut: the process id alone leaves out systemd's entries when we are process 1 of a container.
func TestOnlyOurOwnIsLeftOut(t *testing.T) {
	host := own{pid: []byte("812"), boot: []byte("b0"), began: 1000}
	unit := own{pid: []byte("812"), began: 1000, invocation: []byte("1d")}
	container := own{pid: []byte("1"), began: 1000, invocation: []byte("1d")}
	for _, tt := range []struct {
		name   string
		own    own
		fields []string
		want   bool
	}{
		{"on the host", host, []string{"_PID=812", "_BOOT_ID=b0", "__REALTIME_TIMESTAMP=1000"}, true},
		{"another process", host, []string{"_PID=813", "_BOOT_ID=b0", "__REALTIME_TIMESTAMP=1000"}, false},
		{"the number's process before us", host, []string{"_PID=812", "_BOOT_ID=b0", "__REALTIME_TIMESTAMP=999"}, false},
		{"another boot, or another host's journal", host, []string{"_PID=812", "_BOOT_ID=b1", "__REALTIME_TIMESTAMP=1000"}, false},
		{"no boot", host, []string{"_PID=812", "__REALTIME_TIMESTAMP=1000"}, false},
		{"no process", host, []string{"_BOOT_ID=b0", "__REALTIME_TIMESTAMP=1000"}, false},
		{"our unit", unit, []string{"_PID=812", "_SYSTEMD_INVOCATION_ID=1d"}, true},
		{"another of our unit", unit, []string{"_PID=813", "_SYSTEMD_INVOCATION_ID=1d"}, false},
		{"another unit", unit, []string{"_PID=812", "_SYSTEMD_INVOCATION_ID=2e", "_BOOT_ID=b0", "__REALTIME_TIMESTAMP=1000"}, false},
		{"systemd, seen from a container", container, []string{"_PID=1", "_BOOT_ID=b0", "__REALTIME_TIMESTAMP=1000"}, false},
	} {
		var e entry
		if err := readEntry(bufio.NewReader(bytes.NewReader(encodeEntry(tt.fields...))), &e); err != nil {
			t.Fatal(err)
		}
		if got := tt.own.said(&e); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// TestOurselves: what this machine says of us is what its journal would say.
func TestOurselves(t *testing.T) {
	o := ourselves()
	if string(o.pid) != fmt.Sprint(os.Getpid()) || o.began == 0 || o.began > uint64(time.Now().UnixMicro()) {
		t.Errorf("pid %s, began %d", o.pid, o.began)
	}
	if ns, _ := os.Readlink("/proc/self/ns/pid"); (ns == initialPIDNamespace) != (len(o.boot) == 32) {
		t.Errorf("in namespace %q the boot is %q", ns, o.boot)
	}
}

// TestTheHostsProcessOfOurNumberIsKept: the whole way of an entry that only shares our number.
func TestTheHostsProcessOfOurNumberIsKept(t *testing.T) {
	t.Setenv("INVOCATION_ID", "5e1f")
	j := newJournal(t)
	pid := "_PID=" + fmt.Sprint(os.Getpid())
	j.say("sluice.service", "ours", pid, "_SYSTEMD_INVOCATION_ID=5e1f")
	j.say("init.scope", "Started a unit.", pid)
	j.start()
	j.want("init.scope: Started a unit.")
	j.stop()
}

// TestASecondProcessIsRefused: two on one data directory would write their cursors over each other.
func TestASecondProcessIsRefused(t *testing.T) {
	j := newJournal(t)
	j.say("a.service", "x")
	j.start()
	s := j.settings
	s.Metrics = pipelineRegistry()
	second, err := New(s, j.cfg, pipeline.OutputsTo(s.Entrance(pipeline.Logs, j), pipeline.Logs))
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err == nil || !strings.Contains(err.Error(), s.DataDir) || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("a second one on the data directory: %v", err)
	}
	j.want("a: x")
	j.stop()
	j.start()
	j.stop()
}
