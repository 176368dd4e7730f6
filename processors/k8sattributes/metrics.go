package k8sattributes

import "github.com/prometheus/client_golang/prometheus"

// A reason is why a resource has no pod.
type reason uint8

const (
	found      reason = iota // it has one
	noIdentity               // nothing in it, nor its connection, names a pod
	notSynced                // the API server has not answered yet
	unknownPod               // the API server does not know it, or not yet
	gone                     // of a file: it was deleted before the start
	excluded                 // by the configuration, or by its annotation
	reasons
)

var reasonNames = [reasons]string{noIdentity: "no_identity", notSynced: "not_synced", unknownPod: "unknown", gone: "gone", excluded: "excluded"}

type metrics struct {
	unknown  *prometheus.CounterVec
	counters [reasons]prometheus.Counter
	waited   prometheus.Counter
}

func newMetrics() metrics {
	m := metrics{
		unknown: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_k8s_unknown_total", Help: "Resources that passed without a pod's attributes.",
		}, []string{"reason"}),
		waited: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_k8s_waited_requests_total", Help: "Pushed requests that waited for a pod that was not known yet.",
		}),
	}
	for i, name := range reasonNames {
		if name != "" {
			m.counters[i] = m.unknown.WithLabelValues(name)
		}
	}
	return m
}
