package nodemetrics

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// group is a cgroup as cAdvisor names it: the root and slices have no pod, a pod's own has no image, and the pause container has
// an image and no container name.
type group struct {
	container, id, image, name, namespace, pod string
	cores, bytes                               float64 // means
	own                                        bool    // a container of the pod, not its slice or sandbox
	network                                    bool    // it has the pod's network, or the node's
	limit                                      float64
}

// labels are in the order of names, as client_golang writes them.
func (g group) labels(name, value string) []string {
	all := []string{"container", g.container, "id", g.id, "image", g.image, "name", g.name, "namespace", g.namespace, "pod", g.pod}
	if name == "" {
		return all
	}
	for i := 0; i < len(all); i += 2 {
		if all[i] > name {
			return slices.Insert(all, i, name, value)
		}
	}
	return append(all, name, value)
}

// groups are all cgroups of the node.
func (n *Node) groups() []group {
	out := []group{
		{id: "/", cores: 2, bytes: 9 << 30, network: true, limit: 32 << 30},
		{id: "/kubepods.slice", cores: 1.6, bytes: 7 << 30},
		{id: "/kubepods.slice/kubepods-besteffort.slice", cores: 0.1, bytes: 1 << 30},
		{id: "/kubepods.slice/kubepods-burstable.slice", cores: 1.5, bytes: 6 << 30},
		{id: "/system.slice", cores: 0.3, bytes: 1 << 30},
		{id: "/system.slice/containerd.service", cores: 0.1, bytes: 200 << 20},
		{id: "/system.slice/kubelet.service", cores: 0.1, bytes: 110 << 20},
	}
	for _, p := range n.Pods {
		containers := running(p)
		if len(containers) == 0 {
			continue
		}
		slice := "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + strings.ReplaceAll(OwnUID(p), "-", "_") + ".slice"
		pod := group{id: slice, namespace: p.Namespace, pod: p.Name, cores: 0.05 * float64(len(containers)), bytes: 100 << 20 * float64(len(containers))}
		out = append(out, pod)
		sandbox := fmt.Sprintf("%064x", []byte(p.UID)[:min(32, len(p.UID))])
		out = append(out, group{
			id: slice + "/cri-containerd-" + sandbox + ".scope", image: "registry.k8s.io/pause:3.10.1", name: sandbox, namespace: p.Namespace, pod: p.Name,
			cores: 0.0001, bytes: 300 << 10, network: !p.Spec.HostNetwork,
		})
		for _, c := range containers {
			id := c.ContainerID[strings.LastIndexByte(c.ContainerID, '/')+1:]
			out = append(out, group{
				container: c.Name, id: slice + "/cri-containerd-" + id + ".scope", image: c.ImageID, name: id, namespace: p.Namespace, pod: p.Name,
				cores: 0.05, bytes: 96 << 20, own: true, limit: limitOf(p, c.Name),
			})
		}
	}
	return out
}

func limitOf(p *corev1.Pod, container string) float64 {
	for _, c := range p.Spec.Containers {
		if c.Name == container {
			return c.Resources.Limits.Memory().AsApproximateFloat64()
		}
	}
	return 0
}

// series is a family of cAdvisor and its value for a group.
type series struct {
	name, kind, help string
	of               func(n *Node, g group) float64
	only             func(g group) bool
	label, value     string // one more label; empty: none
}

func counter(mean float64, name string) func(*Node, group) float64 {
	return func(n *Node, g group) float64 { return float64(int64(n.counted(mean, g.id, name))) }
}

func all(group) bool { return true }

func own(g group) bool { return g.own }

func network(g group) bool { return g.network }

var cadvisor = []series{
	{"container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.", func(n *Node, g group) float64 { return n.counted(g.cores, g.id, "cpu") }, all, "cpu", "total"},
	{"container_cpu_user_seconds_total", "counter", "Cumulative user cpu time consumed in seconds.", func(n *Node, g group) float64 { return n.counted(g.cores, g.id, "cpu") * 0.7 }, all, "", ""},
	{"container_cpu_system_seconds_total", "counter", "Cumulative system cpu time consumed in seconds.", func(n *Node, g group) float64 { return n.counted(g.cores, g.id, "cpu") * 0.3 }, all, "", ""},
	{"container_cpu_cfs_periods_total", "counter", "Number of elapsed enforcement period intervals.", counter(10, "periods"), own, "", ""},
	{"container_cpu_cfs_throttled_periods_total", "counter", "Number of throttled period intervals.", counter(0.1, "throttled"), own, "", ""},
	{"container_cpu_cfs_throttled_seconds_total", "counter", "Total time duration the container has been throttled.", func(n *Node, g group) float64 { return n.counted(0.001, g.id, "throttled") }, own, "", ""},
	{"container_memory_usage_bytes", "gauge", "Current memory usage in bytes, including all memory regardless of when it was accessed", func(n *Node, g group) float64 { return float64(int64(n.level(g.bytes*1.3, g.id, "memory"))) }, all, "", ""},
	{"container_memory_working_set_bytes", "gauge", "Current working set in bytes.", func(n *Node, g group) float64 { return float64(int64(n.level(g.bytes, g.id, "memory"))) }, all, "", ""},
	{"container_memory_rss", "gauge", "Size of RSS in bytes.", func(n *Node, g group) float64 { return float64(int64(n.level(g.bytes*0.8, g.id, "memory"))) }, all, "", ""},
	{"container_memory_cache", "gauge", "Number of bytes of page cache memory.", func(n *Node, g group) float64 { return float64(int64(n.level(g.bytes*0.3, g.id, "memory"))) }, all, "", ""},
	{"container_memory_swap", "gauge", "Container swap usage in bytes.", func(*Node, group) float64 { return 0 }, all, "", ""},
	{"container_memory_failures_total", "counter", "Cumulative count of memory allocation failures.", counter(1, "faults"), own, "failure_type", "pgfault"},
	{"container_oom_events_total", "counter", "Count of out of memory events observed for the container", func(*Node, group) float64 { return 0 }, all, "", ""},
	{"container_spec_memory_limit_bytes", "gauge", "Memory limit for the container.", func(_ *Node, g group) float64 { return g.limit }, all, "", ""},
	{"container_spec_cpu_period", "gauge", "CPU period of the container.", func(*Node, group) float64 { return 100000 }, all, "", ""},
	{"container_spec_cpu_shares", "gauge", "CPU share of the container.", func(*Node, group) float64 { return 102 }, all, "", ""},
	{"container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds.", func(n *Node, _ group) float64 { return float64(n.Started.Unix()) }, all, "", ""},
	{"container_last_seen", "gauge", "Last time a container was seen by the exporter", func(n *Node, _ group) float64 { return float64(n.Now.Unix()) }, all, "", ""},
	{"container_processes", "gauge", "Number of processes running inside the container.", func(*Node, group) float64 { return 3 }, all, "", ""},
	{"container_threads", "gauge", "Number of threads running inside the container", func(*Node, group) float64 { return 21 }, all, "", ""},
	{"container_file_descriptors", "gauge", "Number of open file descriptors for the container.", func(*Node, group) float64 { return 42 }, own, "", ""},
	{"container_sockets", "gauge", "Number of open sockets for the container.", func(*Node, group) float64 { return 7 }, own, "", ""},
	{"container_fs_usage_bytes", "gauge", "Number of bytes that are consumed by the container on this filesystem.", func(n *Node, g group) float64 { return float64(int64(n.level(4<<20, g.id, "fs"))) }, own, "device", "/dev/nvme0n1p1"},
	{"container_fs_reads_total", "counter", "Cumulative count of reads completed", counter(1, "reads"), own, "device", "/dev/nvme0n1"},
	{"container_fs_writes_total", "counter", "Cumulative count of writes completed", counter(2, "writes"), own, "device", "/dev/nvme0n1"},
	{"container_fs_reads_bytes_total", "counter", "Cumulative count of bytes read", counter(4096, "reads"), own, "device", "/dev/nvme0n1"},
	{"container_fs_writes_bytes_total", "counter", "Cumulative count of bytes written", counter(8192, "writes"), own, "device", "/dev/nvme0n1"},
	{"container_network_receive_bytes_total", "counter", "Cumulative count of bytes received", counter(20000, "in"), network, "interface", "eth0"},
	{"container_network_receive_packets_total", "counter", "Cumulative count of packets received", counter(40, "in"), network, "interface", "eth0"},
	{"container_network_receive_errors_total", "counter", "Cumulative count of errors encountered while receiving", func(*Node, group) float64 { return 0 }, network, "interface", "eth0"},
	{"container_network_receive_packets_dropped_total", "counter", "Cumulative count of packets dropped while receiving", func(*Node, group) float64 { return 0 }, network, "interface", "eth0"},
	{"container_network_transmit_bytes_total", "counter", "Cumulative count of bytes transmitted", counter(15000, "out"), network, "interface", "eth0"},
	{"container_network_transmit_packets_total", "counter", "Cumulative count of packets transmitted", counter(35, "out"), network, "interface", "eth0"},
	{"container_network_transmit_errors_total", "counter", "Cumulative count of errors encountered while transmitting", func(*Node, group) float64 { return 0 }, network, "interface", "eth0"},
	{"container_network_transmit_packets_dropped_total", "counter", "Cumulative count of packets dropped while transmitting", func(*Node, group) float64 { return 0 }, network, "interface", "eth0"},
}

// CAdvisor is /metrics/cadvisor. Samples of containers have the time at which they were taken, up to 5 s ago.
func (n *Node) CAdvisor() []byte {
	var e exposition
	e.family("cadvisor_version_info", "gauge", "A metric with a constant '1' value labeled by kernel version, OS version, docker version, cadvisor version & cadvisor revision.")
	e.sample("cadvisor_version_info", 1, "cadvisorRevision", "", "cadvisorVersion", "", "dockerVersion", "", "kernelVersion", "6.12.40", "osVersion", "Bottlerocket OS 1.45.0")
	groups := n.groups()
	e.stamp = stamp(n.Now.Truncate(5 * time.Second))
	for _, s := range cadvisor {
		e.family(s.name, s.kind, s.help)
		for _, g := range groups {
			if s.only(g) {
				e.sample(s.name, s.of(n, g), g.labels(s.label, s.value)...)
			}
		}
	}
	e.family("machine_cpu_cores", "gauge", "Number of logical CPU cores.")
	machine := []string{"boot_id", "0b3c8a50-6f3c-4f0e-9f0a-1d3c8a506f3c", "machine_id", "ec2f3c8a506f3c4f0e9f0a1d3c8a506f", "system_uuid", "ec2f3c8a-506f-3c4f-0e9f-0a1d3c8a506f"}
	e.stamp = stamp(n.Now)
	e.sample("machine_cpu_cores", 8, machine...)
	e.family("machine_memory_bytes", "gauge", "Amount of memory installed on the machine.")
	e.sample("machine_memory_bytes", 32<<30, machine...)
	e.stamp = ""
	e.family("container_scrape_error", "gauge", "1 if there was an error while getting container metrics, 0 otherwise")
	e.sample("container_scrape_error", 0)
	return e.Bytes()
}
