package nodemetrics

import (
	"encoding/json"
	"time"
)

// The parts of /stats/summary, with the names of k8s.io/kubelet's stats/v1alpha1.
type (
	cpuStats struct {
		Time                 time.Time `json:"time"`
		UsageNanoCores       uint64    `json:"usageNanoCores"`
		UsageCoreNanoSeconds uint64    `json:"usageCoreNanoSeconds"`
	}
	memoryStats struct {
		Time            time.Time `json:"time"`
		AvailableBytes  uint64    `json:"availableBytes,omitempty"`
		UsageBytes      uint64    `json:"usageBytes"`
		WorkingSetBytes uint64    `json:"workingSetBytes"`
		RSSBytes        uint64    `json:"rssBytes"`
		PageFaults      uint64    `json:"pageFaults"`
		MajorPageFaults uint64    `json:"majorPageFaults"`
	}
	fsStats struct {
		Time           time.Time `json:"time"`
		AvailableBytes uint64    `json:"availableBytes"`
		CapacityBytes  uint64    `json:"capacityBytes"`
		UsedBytes      uint64    `json:"usedBytes"`
		InodesFree     uint64    `json:"inodesFree"`
		Inodes         uint64    `json:"inodes"`
		InodesUsed     uint64    `json:"inodesUsed"`
	}
	interfaceStats struct {
		Name     string `json:"name"`
		RxBytes  uint64 `json:"rxBytes"`
		RxErrors uint64 `json:"rxErrors"`
		TxBytes  uint64 `json:"txBytes"`
		TxErrors uint64 `json:"txErrors"`
	}
	networkStats struct {
		Time time.Time `json:"time"`
		interfaceStats
		Interfaces []interfaceStats `json:"interfaces"`
	}
	containerStats struct {
		Name      string      `json:"name"`
		StartTime time.Time   `json:"startTime"`
		CPU       cpuStats    `json:"cpu"`
		Memory    memoryStats `json:"memory"`
		Rootfs    fsStats     `json:"rootfs"`
		Logs      fsStats     `json:"logs"`
	}
	podReference struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
		UID       string `json:"uid"`
	}
	podStats struct {
		PodRef           podReference     `json:"podRef"`
		StartTime        time.Time        `json:"startTime"`
		Containers       []containerStats `json:"containers"`
		CPU              cpuStats         `json:"cpu"`
		Memory           memoryStats      `json:"memory"`
		Network          *networkStats    `json:"network,omitempty"`
		EphemeralStorage fsStats          `json:"ephemeral-storage"`
	}
	nodeStats struct {
		NodeName  string       `json:"nodeName"`
		StartTime time.Time    `json:"startTime"`
		CPU       cpuStats     `json:"cpu"`
		Memory    memoryStats  `json:"memory"`
		Network   networkStats `json:"network"`
		FS        fsStats      `json:"fs"`
	}
	summary struct {
		Node nodeStats  `json:"node"`
		Pods []podStats `json:"pods"`
	}
)

// Summary is /stats/summary. CPU and memory agree with the other endpoints.
func (n *Node) Summary() ([]byte, error) {
	now, started := n.Now.UTC().Truncate(time.Second), n.Started.UTC().Truncate(time.Second)
	cpu := func(mean float64, key ...string) cpuStats {
		key = append(key, "cpu")
		return cpuStats{now, uint64(per(mean, key...) * 1e9), uint64(n.counted(mean, key...) * 1e9)}
	}
	memory := func(mean float64, key ...string) memoryStats {
		bytes := n.level(mean, append(key, "memory")...)
		return memoryStats{Time: now, UsageBytes: uint64(bytes * 1.3), WorkingSetBytes: uint64(bytes), RSSBytes: uint64(bytes * 0.8), PageFaults: uint64(n.counted(1, key...))}
	}
	network := func(key string) networkStats {
		i := interfaceStats{Name: "eth0", RxBytes: uint64(n.counted(20000, key, "in")), TxBytes: uint64(n.counted(15000, key, "out"))}
		return networkStats{now, i, []interfaceStats{i}}
	}
	disk := func(used uint64) fsStats {
		return fsStats{Time: now, AvailableBytes: 60 << 30, CapacityBytes: 100 << 30, UsedBytes: used, Inodes: 50 << 20, InodesFree: 49 << 20, InodesUsed: 1 << 20}
	}
	out := summary{Node: nodeStats{n.Name, started, cpu(2, n.Name), memory(9<<30, n.Name), network(n.Name), disk(40 << 30)}, Pods: []podStats{}}
	for _, p := range n.Pods {
		pod := podStats{PodRef: podReference{p.Name, p.Namespace, OwnUID(p)}, StartTime: started, EphemeralStorage: disk(8 << 20), CPU: cpuStats{Time: now}, Memory: memoryStats{Time: now}}
		for _, c := range running(p) {
			s := containerStats{c.Name, started, cpu(0.05, string(p.UID), c.Name), memory(96<<20, string(p.UID), c.Name), disk(4 << 20), disk(1 << 20)}
			pod.CPU.UsageNanoCores += s.CPU.UsageNanoCores
			pod.CPU.UsageCoreNanoSeconds += s.CPU.UsageCoreNanoSeconds
			pod.Memory.UsageBytes += s.Memory.UsageBytes
			pod.Memory.WorkingSetBytes += s.Memory.WorkingSetBytes
			pod.Memory.RSSBytes += s.Memory.RSSBytes
			pod.Containers = append(pod.Containers, s)
		}
		if pod.Containers == nil {
			continue
		}
		if !p.Spec.HostNetwork {
			net := network(string(p.UID))
			pod.Network = &net
		}
		out.Pods = append(out.Pods, pod)
	}
	return json.Marshal(out)
}
