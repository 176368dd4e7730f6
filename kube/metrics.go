package kube

import "github.com/prometheus/client_golang/prometheus"

// collector exports a user's watches.
type collector struct{ user *User }

var (
	objectsDesc = prometheus.NewDesc("sluice_kube_objects", "Objects of a watch of the Kubernetes API server.", []string{"resource", "namespace"}, nil)
	syncedDesc  = prometheus.NewDesc("sluice_kube_synced", "1 if a watch has its first list: 0 means that the API server is away, or that a right is missing.", []string{"resource", "namespace"}, nil)
	errorsDesc  = prometheus.NewDesc("sluice_kube_watch_errors_total", "Failed attempts to list or watch.", []string{"resource", "namespace"}, nil)
)

func (c collector) Describe(out chan<- *prometheus.Desc) {
	out <- objectsDesc
	out <- syncedDesc
	out <- errorsDesc
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
		out <- prometheus.MustNewConstMetric(objectsDesc, prometheus.GaugeValue, float64(len(s.informer.GetStore().ListKeys())), key[0], key[1])
		out <- prometheus.MustNewConstMetric(syncedDesc, prometheus.GaugeValue, synced, key[0], key[1])
		out <- prometheus.MustNewConstMetric(errorsDesc, prometheus.CounterValue, float64(s.failing.errors.Load()), key[0], key[1])
	}
}
