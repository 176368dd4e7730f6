package pipeline

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Shares of the memory that the process may use, when the file sets no memory_limiter.
const (
	defaultBudgetShare = 4           // a quarter may be in flight
	minBudget          = 64 << 20    // but not less than this
	defaultCheck       = time.Second // the Collector's recommended check_interval
	heapMetric         = "/memory/classes/heap/objects:bytes"
)

func defaultBudget() int64 { return max(processMemory()/defaultBudgetShare, minBudget) }

// processMemory is what the process may use: GOMEMLIMIT when it is set (from the cgroup, see package
// internal/command), else the machine's memory.
func processMemory() int64 {
	if l := debug.SetMemoryLimit(-1); l != math.MaxInt64 {
		return l
	}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 1 << 30
	}
	_, rest, _ := strings.Cut(string(text), "MemTotal:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 1 << 30
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 1 << 30
	}
	return kib << 10
}

// limits turns the keys into bytes: hard is the whole limit, soft is where refusing begins.
func (m MemoryLimit) limits() (hard, soft int64) {
	total := processMemory()
	hard = int64(m.LimitMiB) << 20
	spike := int64(m.SpikeLimitMiB) << 20
	if hard == 0 {
		hard = total / 100 * int64(m.LimitPercentage)
		spike = total / 100 * int64(m.SpikeLimitPercentage)
	}
	if spike == 0 {
		spike = hard / 5 // the Collector's default
	}
	return hard, hard - spike
}

// applyMemoryLimit sets the budget, and polls the heap as the second line of defence: admission by bytes is the
// first, and what it does not see (a library's own caches) shows up here.
func (s *Service) applyMemoryLimit(m MemoryLimit) {
	if s.stopHeap != nil {
		s.stopHeap()
		s.stopHeap = nil
	}
	s.host.Budget.pressure.Store(false)
	hard, soft := m.limits()
	if hard == 0 {
		s.host.Budget.limit.Store(defaultBudget())
		return
	}
	s.host.Budget.limit.Store(soft)
	ctx, cancel := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	s.stopHeap = func() {
		cancel()
		watch.Wait() // a last look must not leave pressure on that nobody takes back
	}
	every := m.CheckInterval
	if every <= 0 {
		every = defaultCheck
	}
	watch.Go(func() { s.watchHeap(ctx, soft, every) })
}

func (s *Service) watchHeap(ctx context.Context, soft int64, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: heapMetric}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		over := int64(sample[0].Value.Uint64()) > soft
		if s.host.Budget.pressure.Swap(over) != over {
			s.host.Log.Warn("heap against the memory limit", "over", over, "heap_bytes", sample[0].Value.Uint64(), "soft_limit_bytes", soft)
		}
	}
}
