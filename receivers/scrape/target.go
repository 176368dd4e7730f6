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

// target is one endpoint after relabelling.
type target struct {
	labels   labels.Labels
	public   labels.Labels // without __ labels: the labels of its series
	url      string
	hash     uint64             // of labels and url: its identity
	shown    *promscrape.Target // for Prometheus' API: result of the last scrape
	interval time.Duration
	timeout  time.Duration
}

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

// urlOf returns the scrape URL. A label __param_x replaces the first value of parameter x.
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

// slots is the minimum number of slots per interval.
const slots = 5

// maxSlot limits the slot length, so that a host's targets are not all scraped at a few moments.
const maxSlot = time.Second

// offset returns the time until the next scrape. It depends only on target and seed, so a restart does not move it.
//
// Targets are grouped into slots instead of spread evenly: waking up for each target costs as much as processing a few
// thousand series. Slots of different hosts differ.
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

// isLocal reports whether the target is certainly on this host: a loopback address or localhost.
func (t *target) isLocal() bool {
	host := t.labels.Get(model.AddressLabel)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
