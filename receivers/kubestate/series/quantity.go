package series

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	core    = "core"
	byteIs  = "byte"
	integer = "integer"
)

// amounts adds a series for each resource that kube-state-metrics knows: cores, bytes, and integers of what is counted. container and
// node may be empty.
func amounts(p *Points, list corev1.ResourceList, container, node string) {
	for name, q := range list {
		if unit := unitOf(name); unit != "" {
			p.Add(numberOf(q), "container", container, "node", node, "resource", labelName(string(name)), "unit", unit)
		}
	}
}

// unitOf is empty for a resource that has no series.
func unitOf(name corev1.ResourceName) string {
	switch name {
	case corev1.ResourceCPU:
		return core
	case corev1.ResourceMemory, corev1.ResourceStorage, corev1.ResourceEphemeralStorage:
		return byteIs
	case corev1.ResourcePods:
		return integer
	}
	domain, _, qualified := strings.Cut(string(name), "/")
	switch {
	case strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix), strings.HasPrefix(string(name), corev1.ResourceAttachableVolumesPrefix):
		return byteIs
	case qualified && domain != "kubernetes.io" && !strings.HasSuffix(domain, ".kubernetes.io") && !strings.HasPrefix(string(name), "requests."):
		return integer // an extended resource, such as nvidia.com/gpu
	}
	return ""
}

// numberOf keeps three decimals, which is what quantities of cores have.
func numberOf(q resource.Quantity) float64 {
	const most = int64(1) << 53
	if v := q.Value(); v > most/1000 || v < -most/1000 {
		return float64(v)
	}
	return float64(q.MilliValue()) / 1000
}

// labelName replaces what a label's name may not have: nvidia.com/gpu is nvidia_com_gpu.
func labelName(s string) string {
	for i := range len(s) {
		if !plain(s[i]) {
			return strings.Map(func(r rune) rune {
				if r < 128 && plain(byte(r)) {
					return r
				}
				return '_'
			}, s)
		}
	}
	return s
}

func plain(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
