package engine

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/sluiceio/sluice/pipeline"
)

// Defaults without a memory_limiter, and bounds.
const (
	defaultBudgetShare = 4           // a quarter may be in flight
	minBudget          = 64 << 20    // but not less than this
	defaultCheck       = time.Second // the Collector's recommended check_interval
	minGCInterval      = time.Second // between the collections that the limit asks for
	runtimeTenths      = 9           // of the limit are for what the runtime counts; the rest is the program itself and its threads
	maxGCShare         = 10          // and they may take a tenth of the time
)

func defaultBudget() int64 { return max(processMemory()/defaultBudgetShare, minBudget) }

// processMemory is GOMEMLIMIT if set (internal/command sets it from the cgroup), else the machine's memory.
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

// percentBase is what percentages refer to: GOMEMLIMIT if the user set it, else the cgroup limit, as in the
// Collector, else the machine's memory. processMemory is only a share of the cgroup.
func percentBase(cgroup func() (uint64, error)) int64 {
	if os.Getenv("GOMEMLIMIT") == "" {
		if n, err := cgroup(); err == nil && n < math.MaxInt64 {
			return int64(n)
		}
	}
	return processMemory()
}

// limits turns the keys into bytes: the hard limit, and the soft one where refusing begins.
func limits(m pipeline.MemoryLimit, cgroup func() (uint64, error)) (hard, soft int64) {
	hard = int64(m.LimitMiB) << 20
	spike := int64(m.SpikeLimitMiB) << 20
	if hard == 0 && m.LimitPercentage > 0 {
		total := percentBase(cgroup)
		hard = total / 100 * int64(m.LimitPercentage)
		spike = total / 100 * int64(m.SpikeLimitPercentage)
	}
	if spike == 0 {
		spike = hard / 5 // the Collector's default
	}
	return hard, hard - spike
}

// applyMemoryLimit sets the budget, and polls the heap for what admission by bytes does not see (libraries'
// caches).
func (s *Service) applyMemoryLimit(m pipeline.MemoryLimit) {
	if s.stopHeap != nil {
		s.stopHeap()
		s.stopHeap = nil
	}
	s.host.budget.SetPressure(false)
	debug.SetMemoryLimit(s.goLimit)
	hard, soft := limits(m, memlimit.FromCgroup)
	if hard == 0 {
		s.host.budget.SetLimit(defaultBudget())
		return
	}
	s.host.budget.SetLimit(soft)
	// The limit includes garbage, so the collector must work harder when the runtime's total gets close.
	debug.SetMemoryLimit(min(s.goLimit, hard/10*runtimeTenths))
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
	watch.Go(func() { s.watchHeap(ctx, newHeapWatch(hard, soft), every) })
}

func (s *Service) watchHeap(ctx context.Context, heap *heapWatch, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		over := heap.over()
		if s.host.budget.SetPressure(over) != over {
			text := "the heap is over the memory limit; intake is refused until it is below"
			if !over {
				text = "the heap is below the memory limit again; intake is open"
			}
			s.host.log.Warn(text,
				"live_bytes", heap.live(), "heap_bytes", heap.objects(), "soft_limit_bytes", heap.soft)
		}
	}
}

// heapWatch judges the heap by live bytes. Objects include garbage until a collection, and while intake is refused
// nothing allocates to trigger one, for up to the runtime's two minutes.
type heapWatch struct {
	hard, soft int64
	sample     [2]metrics.Sample
	next       time.Time // the earliest time of the next collection that we ask for
}

func newHeapWatch(hard, soft int64) *heapWatch {
	w := &heapWatch{hard: hard, soft: soft}
	w.sample[0].Name = "/memory/classes/heap/objects:bytes"
	w.sample[1].Name = "/gc/heap/live:bytes" // what the last collection found in use
	return w
}

func (w *heapWatch) objects() int64 { return int64(w.sample[0].Value.Uint64()) }
func (w *heapWatch) live() int64    { return int64(w.sample[1].Value.Uint64()) }

// over reports whether to refuse intake. It collects garbage first, as often as the bounds allow; between
// collections all objects may reach the hard limit.
func (w *heapWatch) over() bool {
	metrics.Read(w.sample[:])
	if w.objects() <= w.soft {
		return false
	}
	if begin := time.Now(); !begin.Before(w.next) {
		runtime.GC()
		end := time.Now()
		w.next = end.Add(max(minGCInterval, maxGCShare*end.Sub(begin)))
		metrics.Read(w.sample[:])
	}
	return w.live() > w.soft || w.objects() > w.hard
}
