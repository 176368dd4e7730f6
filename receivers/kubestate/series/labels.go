package series

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// singular are the names that kube-state-metrics gives a resource's families.
func singular(resource string) string {
	switch resource {
	case "ingresses":
		return "ingress"
	case "endpoints":
		return "endpoint"
	}
	return strings.TrimSuffix(resource, "s")
}

// labelsOf is the family of an object's own labels; "*" stands for all.
func labelsOf(resource string, keys []string) Family {
	all := slices.Contains(keys, "*")
	return family("kube_"+singular(resource)+"_labels", "Kubernetes labels converted to Prometheus labels.", func(p *Points, o object) {
		have := o.GetLabels()
		var pairs []string
		used := map[string]int{}
		for _, key := range slices.Sorted(maps.Keys(have)) {
			if !all && !slices.Contains(keys, key) {
				continue
			}
			name := "label_" + snake(labelName(key))
			if used[name]++; used[name] > 1 { // two keys that differ in what a name may not have
				name += "_conflict" + strconv.Itoa(used[name])
			}
			pairs = append(pairs, name, have[key])
		}
		p.Add(1, pairs...)
	})
}

// snake writes camelCase as camel_case.
func snake(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			if i > 0 && (s[i-1] >= 'a' && s[i-1] <= 'z' || s[i-1] >= '0' && s[i-1] <= '9') {
				b.WriteByte('_')
			}
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}
