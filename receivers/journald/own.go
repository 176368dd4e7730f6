package journald

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

// own recognizes this process's own entries. The process ID alone is not enough: in a container ours is 1, which is systemd
// in the host's journal.
type own struct {
	pid        []byte
	boot       []byte // empty: our process ID is not the host's, or unknown
	began      uint64 // µs: an older entry with the same boot and PID is from an earlier process
	invocation []byte // our systemd unit's invocation ID; may be empty
}

// processBegan is read-only.
var processBegan = time.Now()

// initialPIDNamespace is the kernel's fixed name of the host's PID namespace (PROC_PID_INIT_INO).
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

// said reports whether an entry is our own. In doubt it is not: an own line too many is harmless, a foreign line left out is
// a silent loss. The invocation ID helps where systemd runs in a PID namespace (WSL, system containers).
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
