package scrape

import (
	"fmt"
	"hash/fnv"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	promscrape "github.com/prometheus/prometheus/scrape"
)

// target is one endpoint: labels after relabelling, those for scraping included.
type target struct {
	labels   labels.Labels
	public   labels.Labels // without those that begin with __: the labels of its series
	url      string
	hash     uint64             // of labels and url: its identity
	shown    *promscrape.Target // for Prometheus' API: what became of the last scrape
	interval time.Duration
	timeout  time.Duration
}

// newTarget reads a target out of its labels, which scrape.PopulateLabels has checked.
func newTarget(l labels.Labels, params url.Values) (*target, error) {
	t := &target{labels: l}
	b := labels.NewBuilder(labels.EmptyLabels())
	l.Range(func(l labels.Label) {
		if !strings.HasPrefix(l.Name, model.ReservedLabelPrefix) {
			b.Set(l.Name, l.Value)
		}
	})
	t.public = b.Labels()
	t.url = urlOf(l, params)
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%016d", l.Hash())
	_, _ = h.Write([]byte(t.url))
	t.hash = h.Sum64()
	for label, into := range map[string]*time.Duration{
		model.ScrapeIntervalLabel: &t.interval, model.ScrapeTimeoutLabel: &t.timeout,
	} {
		d, err := model.ParseDuration(l.Get(label))
		if err != nil {
			return nil, fmt.Errorf("cannot read label %s: %w", label, err)
		}
		*into = time.Duration(d)
	}
	return t, nil
}

// urlOf is where a target is scraped. A label __param_x replaces the first value of the parameter x.
func urlOf(l labels.Labels, params url.Values) string {
	query := url.Values{}
	for k, v := range params {
		query[k] = append([]string(nil), v...)
	}
	l.Range(func(l labels.Label) {
		k, is := strings.CutPrefix(l.Name, model.ParamLabelPrefix)
		switch {
		case !is:
		case len(query[k]) > 0:
			query[k][0] = l.Value
		default:
			query[k] = []string{l.Value}
		}
	})
	u := url.URL{
		Scheme: l.Get(model.SchemeLabel), Host: l.Get(model.AddressLabel), Path: l.Get(model.MetricsPathLabel),
		RawQuery: query.Encode(),
	}
	return u.String()
}

// slots is how many moments of an interval scrapes begin at, at least.
const slots = 5

// maxSlot keeps slots from being so long that a host's targets are all scraped at a few moments.
const maxSlot = time.Second

// offset is the time until the target's next turn. Turns lie on a grid that depends on the target and the seed only,
// so that a restart does not move them.
//
// Targets are not spread evenly over the interval, but over a few slots: those of one slot are scraped and sent
// together, and between slots the process sleeps. Waking up for each target alone, with a few thousand series, costs
// as much as all that is done with them. Slots of different hosts lie at different times.
func (t *target) offset(now time.Time, seed uint64) time.Duration {
	interval := uint64(t.interval)
	slot := min(interval/slots, uint64(maxSlot))
	turn := seed % interval
	if slot > 0 {
		turn = (t.hash^seed)%(interval/slot)*slot + seed%slot
	}
	next := interval - uint64(now.UnixNano())%interval + turn
	if next > interval {
		next -= interval
	}
	return time.Duration(next)
}

// isLocal reports whether the target is on this host for sure: a loopback address, or localhost.
func (t *target) isLocal() bool {
	host := t.labels.Get(model.AddressLabel)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
