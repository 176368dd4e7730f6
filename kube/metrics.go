package kube

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"
)

// collector exports a user's watches.
type collector struct {
	user                    *User
	objects, synced, errors *prometheus.Desc
}

// newCollector: the names begin with those of the feature, since a processor's series have other labels than a receiver's.
func newCollector(u *User) collector {
	prefix := cmp.Or(u.feature.Series, "sluice_kube")
	labels := []string{"resource", "namespace"}
	return collector{
		user:    u,
		objects: prometheus.NewDesc(prefix+"_objects", "Objects of a watch of the Kubernetes API server.", labels, nil),
		synced:  prometheus.NewDesc(prefix+"_synced", "1 if a watch has its first list: 0 means that the API server is away, or that a right is missing.", labels, nil),
		errors:  prometheus.NewDesc(prefix+"_watch_errors_total", "Failed attempts to list or watch.", labels, nil),
	}
}

func (c collector) Describe(out chan<- *prometheus.Desc) {
	out <- c.objects
	out <- c.synced
	out <- c.errors
}

func (c collector) Collect(out chan<- prometheus.Metric) {
	c.user.mu.Lock()
	watches := append([]*Watch(nil), c.user.watches...)
	c.user.mu.Unlock()
	seen := map[[2]string]bool{}
	for _, w := range watches {
		s := w.shared()
		key := [2]string{w.want.Kind.String(), w.want.Namespace}
		if s == nil || seen[key] { // two selectors of one kind are rare, and one of them shows enough
			continue
		}
		seen[key] = true
		synced := 0.0
		if s.informer.HasSynced() {
			synced = 1
		}
		out <- prometheus.MustNewConstMetric(c.objects, prometheus.GaugeValue, float64(len(s.informer.GetStore().ListKeys())), key[0], key[1])
		out <- prometheus.MustNewConstMetric(c.synced, prometheus.GaugeValue, synced, key[0], key[1])
		out <- prometheus.MustNewConstMetric(c.errors, prometheus.CounterValue, float64(s.failing.errors.Load()), key[0], key[1])
	}
}
