package journald

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

// own tells this process's entries from everybody else's. A process id alone does not: in a container ours is 1, and
// that of the journal, which is the host's, is systemd.
type own struct {
	pid        []byte
	boot       []byte // empty: our process id is not one of the host's, or nobody knows
	began      uint64 // µs: an older entry of the same boot and number is of a process before us
	invocation []byte // of the systemd unit that we are; empty: none
}

// processBegan is fixed at start and never written again.
var processBegan = time.Now()

// initialPIDNamespace is what the kernel calls the host's own namespace of process ids, always (PROC_PID_INIT_INO).
const initialPIDNamespace = "pid:[4026531836]"

func ourselves() own {
	o := own{
		pid: strconv.AppendInt(nil, int64(os.Getpid()), 10), began: uint64(processBegan.UnixMicro()),
		invocation: []byte(os.Getenv("INVOCATION_ID")),
	}
	if ns, err := os.Readlink("/proc/self/ns/pid"); err == nil && ns == initialPIDNamespace {
		b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
		o.boot = []byte(strings.ReplaceAll(strings.TrimSpace(string(b)), "-", ""))
	}
	return o
}

// said reports whether an entry is this process's own. In doubt it is not: a line of ours too many is a nuisance, a line
// of another that is left out is a loss that nobody sees. The unit's invocation helps where systemd runs in a namespace
// too, as under WSL and in system containers.
func (o *own) said(e *entry) bool {
	if pid, ok := e.get("_PID"); !ok || !bytes.Equal(pid, o.pid) {
		return false
	}
	if id, _ := e.get("_SYSTEMD_INVOCATION_ID"); len(o.invocation) > 0 && bytes.Equal(id, o.invocation) {
		return true
	}
	boot, _ := e.get("_BOOT_ID")
	at, _ := e.get("__REALTIME_TIMESTAMP")
	us, known := decimal(at)
	return len(o.boot) > 0 && bytes.Equal(boot, o.boot) && known && us >= o.began
}
