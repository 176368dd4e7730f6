package engine

import (
	"log/slog"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/sluiceio/sluice/pipeline"
)

// TestGarbageIsNoPressure: with 40 MiB alive and 30 MiB of garbage under a soft limit of 64 MiB intake is served; with
// 70 MiB alive it is refused until they are let go.
func TestGarbageIsNoPressure(t *testing.T) {
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // as when nothing allocates: no collection comes by itself
	s := &Service{host: host{budget: pipeline.NewBudget(0), log: slog.New(slog.DiscardHandler)}}
	alive := make([]byte, 40<<20)
	more := make([]byte, 30<<20)
	runtime.KeepAlive(more)
	more = nil
	s.applyMemoryLimit(pipeline.MemoryLimit{CheckInterval: 5 * time.Millisecond, LimitMiB: 80, SpikeLimitMiB: 16})
	defer func() { s.stopHeap() }()
	served := func() bool {
		reservation, err := s.host.budget.Reserve(1)
		reservation.Release()
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

// TestPercentages: they are of the cgroup's whole limit, although the heap may use only a share of it, or of the user's
// GOMEMLIMIT.
func TestPercentages(t *testing.T) {
	const gib = 1 << 30
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(gib / 10 * 9)) // as internal/command does in a cgroup of 1 GiB
	inside := func() (uint64, error) { return gib, nil }
	outside := func() (uint64, error) { return 0, memlimit.ErrNoLimit }
	for _, c := range []struct {
		name, env  string
		cgroup     func() (uint64, error)
		limit      pipeline.MemoryLimit
		hard, soft int64
	}{
		{"cgroup", "", inside, pipeline.MemoryLimit{LimitPercentage: 50, SpikeLimitPercentage: 10}, gib / 100 * 50, gib/100*50 - gib/100*10},
		{"GOMEMLIMIT", "900MiB", inside, pipeline.MemoryLimit{LimitPercentage: 50}, gib / 10 * 9 / 100 * 50, gib/10*9/100*50 - gib/10*9/100*50/5},
		{"no cgroup", "", outside, pipeline.MemoryLimit{LimitPercentage: 50, SpikeLimitPercentage: 50}, gib / 10 * 9 / 100 * 50, 0},
		{"MiB", "", inside, pipeline.MemoryLimit{LimitMiB: 100, LimitPercentage: 50}, 100 << 20, 80 << 20},
		{"nothing", "", inside, pipeline.MemoryLimit{}, 0, 0},
	} {
		t.Setenv("GOMEMLIMIT", c.env)
		if hard, soft := limits(c.limit, c.cgroup); hard != c.hard || soft != c.soft {
			t.Errorf("%s: %d and %d, want %d and %d", c.name, hard, soft, c.hard, c.soft)
		}
	}
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
