// Package nodemetrics writes what a kubelet says of its node: the series of /metrics, /metrics/cadvisor, /metrics/resource and
// /metrics/probes with the names, labels and timestamps of Kubernetes 1.35, and /stats/summary. Values are made up. Counters grow
// with the time since the node's start, steadily, each with a rate of its own.
package nodemetrics

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Node is a node at a moment.
type Node struct {
	Name    string
	Started time.Time // of the kubelet, and of all counters
	Now     time.Time
	Pods    []*corev1.Pod
}

// per says how much of something there is per second: between 0.5 and 1.5 times mean, the same for the same parts.
func per(mean float64, parts ...string) float64 {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return mean * (0.5 + float64(binary.BigEndian.Uint16(h[:2]))/65536)
}

// counted is a counter's value.
func (n *Node) counted(mean float64, parts ...string) float64 {
	return per(mean, parts...) * n.Now.Sub(n.Started).Seconds()
}

// level is a gauge's value, which swings by a tenth around its mean.
func (n *Node) level(mean float64, parts ...string) float64 {
	v := per(mean, parts...)
	return v + v*0.1*float64(n.Now.Unix()%60-30)/30
}

// exposition is text in Prometheus' format.
type exposition struct {
	bytes.Buffer
	stamp string // of samples, with a space before it; empty: none
}

func (e *exposition) family(name, kind, help string) {
	fmt.Fprintf(e, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample writes a sample; labels are pairs of name and value.
func (e *exposition) sample(name string, v float64, labels ...string) {
	e.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		e.WriteByte("{,"[min(i, 1)])
		e.WriteString(labels[i])
		e.WriteByte('=')
		e.WriteString(strconv.Quote(labels[i+1]))
	}
	if len(labels) > 0 {
		e.WriteByte('}')
	}
	e.WriteByte(' ')
	e.Write(strconv.AppendFloat(nil, v, 'g', -1, 64))
	e.WriteString(e.stamp)
	e.WriteByte('\n')
}

// histogram writes a histogram of n observations, which come to the buckets in equal parts.
func (e *exposition) histogram(name string, n float64, labels ...string) {
	bounds := []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"}
	n = float64(int64(n))
	for i, le := range bounds {
		e.sample(name+"_bucket", float64(int64(n*float64(i+1)/float64(len(bounds)))), append(slices.Clone(labels), "le", le)...)
	}
	e.sample(name+"_sum", n*0.12, labels...)
	e.sample(name+"_count", n, labels...)
}

func stamp(t time.Time) string { return " " + strconv.FormatInt(t.UnixMilli(), 10) }

// running are the containers of a pod that run.
func running(p *corev1.Pod) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for _, s := range p.Status.ContainerStatuses {
		if s.State.Running != nil {
			out = append(out, s)
		}
	}
	return out
}

// OwnUID is the uid that the kubelet knows a pod by: of a static pod the hash of its file, which the mirror pod has as an
// annotation.
func OwnUID(p *corev1.Pod) string {
	if h := p.Annotations["kubernetes.io/config.hash"]; h != "" {
		return h
	}
	return string(p.UID)
}

// Resource is /metrics/resource.
func (n *Node) Resource() []byte {
	var e exposition
	each := func(name, kind, help string, value func(key ...string) float64) {
		e.family(name, kind, "[STABLE] "+help)
		for _, p := range n.Pods {
			for _, c := range running(p) {
				if strings.HasPrefix(name, "container_") {
					e.sample(name, value(string(p.UID), c.Name), "container", c.Name, "namespace", p.Namespace, "pod", p.Name)
				}
			}
			if strings.HasPrefix(name, "pod_") && len(running(p)) > 0 {
				sum := 0.0
				for _, c := range running(p) {
					sum += value(string(p.UID), c.Name)
				}
				e.sample(name, sum, "namespace", p.Namespace, "pod", p.Name)
			}
		}
		if strings.HasPrefix(name, "node_") {
			e.sample(name, value("/"))
		}
	}
	cpu := func(key ...string) float64 { return n.counted(0.05, append(key, "cpu")...) }
	memory := func(key ...string) float64 { return float64(int64(n.level(96<<20, append(key, "memory")...))) }
	none := func(...string) float64 { return 0 }
	e.stamp = stamp(n.Now)
	each("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the container in core-seconds", cpu)
	each("container_memory_working_set_bytes", "gauge", "Current working set of the container in bytes", memory)
	e.stamp = ""
	each("container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds", func(...string) float64 { return float64(n.Started.Unix()) })
	e.stamp = stamp(n.Now)
	each("container_swap_usage_bytes", "gauge", "Current amount of the container swap usage in bytes. Reported only on non-windows systems", none)
	each("node_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the node in core-seconds", func(...string) float64 { return n.counted(2, n.Name, "cpu") })
	each("node_memory_working_set_bytes", "gauge", "Current working set of the node in bytes", func(...string) float64 { return float64(int64(n.level(9<<30, n.Name, "memory"))) })
	each("node_swap_usage_bytes", "gauge", "Current swap usage of the node in bytes. Reported only on non-windows systems", none)
	each("pod_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the pod in core-seconds", cpu)
	each("pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes", memory)
	each("pod_swap_usage_bytes", "gauge", "Current amount of the pod swap usage in bytes. Reported only on non-windows systems", none)
	e.stamp = ""
	e.family("resource_scrape_error", "gauge", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise")
	e.sample("resource_scrape_error", 0)
	return e.Bytes()
}

// Probes is /metrics/probes.
func (n *Node) Probes() []byte {
	var e exposition
	e.family("prober_probe_total", "counter", "[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.")
	for _, p := range n.Pods {
		for _, c := range running(p) {
			for _, kind := range []string{"Liveness", "Readiness"} {
				e.sample("prober_probe_total", float64(int64(n.counted(0.1, "probe"))), "container", c.Name, "namespace", p.Namespace, "pod", p.Name,
					"pod_uid", OwnUID(p), "probe_type", kind, "result", "successful")
			}
		}
	}
	return e.Bytes()
}
