package limit

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	nameNone  = "(none)" // of resources without the attribute
	nameOther = "other"  // of the values beyond max_values, and of texts longer than maxName
	maxName   = 256
)

// sweepEvery is how often idle accounts are looked for: many new values in one request must not cost a search each.
const sweepEvery = time.Second

// budgets are those of all values. They outlive a reload.
type budgets struct {
	metrics metrics

	mu     sync.Mutex
	values map[string]*account
	swept  time.Time
}

func newBudgets() *budgets { return &budgets{metrics: newMetrics(), values: map[string]*account{}} }

// account is the budget of a value.
type account struct {
	name           string
	budget         Budget
	records, bytes float64 // what may be sent now; below 0 after a batch that was larger
	at             time.Time
	series         *series
	over           prometheus.Counter // nil until something was over the budget
}

// account finds the budget of a value. b.mu must be held.
func (b *budgets) account(c *Config, value []byte, now time.Time) *account {
	switch {
	case len(value) == 0:
		value = []byte(nameNone)
	case len(value) > maxName:
		value = []byte(nameOther)
	}
	a, is := b.values[string(value)]
	if !is {
		name := string(value)
		if len(b.values) >= c.MaxValues && name != nameOther && !c.overrides(name) && !b.forget(c, now) {
			return b.account(c, []byte(nameOther), now)
		}
		a = &account{name: name, at: now}
		a.set(c, c.budget(name))
		b.values[name] = a
	}
	a.refill(c, now)
	return a
}

// forget makes room by the accounts that sent nothing for a while, and reports whether there is some.
func (b *budgets) forget(c *Config, now time.Time) bool {
	if now.Sub(b.swept) < sweepEvery {
		return false
	}
	b.swept = now
	for value, a := range b.values {
		if now.Sub(a.at) > max(c.SeriesWindow, c.Burst) {
			delete(b.values, value)
			b.metrics.forget(value)
		}
	}
	return len(b.values) < c.MaxValues
}

// follow gives the accounts the budgets of another configuration.
func (b *budgets) follow(c *Config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for value, a := range b.values {
		a.set(c, c.budget(value))
		a.over = nil // on_limit may be another
	}
}

// set gives the account a budget. What was not limited before starts with a full burst.
func (a *account) set(c *Config, b Budget) {
	switch {
	case b.ActiveSeries == 0:
		a.series = nil
	case a.series == nil:
		a.series = newSeries(b.ActiveSeries)
	default:
		a.series.limit = b.ActiveSeries // what is active stays so
	}
	if a.budget.RecordsPerSecond == 0 {
		a.records = b.RecordsPerSecond * c.Burst.Seconds()
	}
	if a.budget.BytesPerSecond == 0 {
		a.bytes = b.BytesPerSecond * c.Burst.Seconds()
	}
	a.budget = b
}

func (a *account) refill(c *Config, now time.Time) {
	seconds := max(now.Sub(a.at).Seconds(), 0)
	a.at = now
	fill := func(have *float64, rate float64) {
		*have = min(*have+seconds*rate, rate*c.Burst.Seconds())
	}
	fill(&a.records, a.budget.RecordsPerSecond)
	fill(&a.bytes, a.budget.BytesPerSecond)
	if a.series != nil {
		a.series.turn(now.UnixNano(), int64(c.SeriesWindow/2))
	}
}

// wait is how long nothing may be sent, 0 if something may.
func (a *account) wait() time.Duration {
	var longest time.Duration
	for _, x := range [...][2]float64{{a.records, a.budget.RecordsPerSecond}, {a.bytes, a.budget.BytesPerSecond}} {
		if have, rate := x[0], x[1]; rate > 0 && have <= 0 {
			longest = max(longest, time.Duration((1-have)/rate*float64(time.Second)), time.Millisecond)
		}
	}
	return longest
}

// take books what is sent.
func (a *account) take(records, bytes int) {
	if a.budget.RecordsPerSecond > 0 {
		a.records -= float64(records)
	}
	if a.budget.BytesPerSecond > 0 {
		a.bytes -= float64(bytes)
	}
}
