package pipeline

import (
	"log/slog"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestGarbageIsNoPressure: with 40 MiB alive and 30 MiB of garbage under a soft limit of 64 MiB intake is served; with
// 70 MiB alive it is refused until they are let go.
func TestGarbageIsNoPressure(t *testing.T) {
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // as when nothing allocates: no collection comes by itself
	s := &Service{host: Host{Budget: NewBudget(0), Log: slog.New(slog.DiscardHandler)}}
	alive := make([]byte, 40<<20)
	more := make([]byte, 30<<20)
	runtime.KeepAlive(more)
	more = nil
	s.applyMemoryLimit(MemoryLimit{CheckInterval: 5 * time.Millisecond, LimitMiB: 80, SpikeLimitMiB: 16})
	defer func() { s.stopHeap() }()
	served := func() bool {
		lease, err := s.host.Budget.Reserve(1)
		lease.Release()
		return err == nil
	}
	for range 50 {
		if !served() {
			t.Fatal("refused because of garbage")
		}
		time.Sleep(2 * time.Millisecond)
	}
	more = make([]byte, 30<<20)
	within(t, "refused with 70 MiB alive", func() bool { return !served() })
	runtime.KeepAlive(more)
	more = nil
	within(t, "served after they were let go", served)
	runtime.KeepAlive(alive)
}

// within waits for what takes a collection, which comes at most once a second.
func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}
