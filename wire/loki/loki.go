// Package loki has what the Loki exporter and the embedded store share, so that a query finds the same streams on
// both.
package loki

// IndexAttributes are the resource attributes that become stream labels by default, as in Loki
// (distributor.otlp_config.default_resource_attributes_as_index_labels). The caller may change the slice.
func IndexAttributes() []string {
	return []string{
		"service.name", "service.namespace", "service.instance.id", "deployment.environment", "deployment.environment.name",
		"cloud.region", "cloud.availability_zone", "k8s.cluster.name", "k8s.namespace.name", "k8s.pod.name",
		"k8s.container.name", "container.name", "k8s.replicaset.name", "k8s.deployment.name", "k8s.statefulset.name",
		"k8s.daemonset.name", "k8s.cronjob.name", "k8s.job.name",
	}
}

// ServiceFrom are the labels that name a service without service.name, in Loki's order
// (limits_config.discover_service_name, as far as they are index labels).
func ServiceFrom() [3]string {
	return [...]string{"container_name", "k8s_container_name", "k8s_job_name"}
}

// MaxLabelValue is Loki's default max_label_value_length, in bytes. Longer values become structured metadata.
const MaxLabelValue = 2048

// AppendName appends the label name of an attribute key as Loki's OTLP endpoint does: invalid characters become
// underscores, a leading digit gets "key_" and a leading underscore "key".
func AppendName(dst, key []byte) []byte {
	switch {
	case len(key) == 0:
		return append(dst, "key"...)
	case key[0] >= '0' && key[0] <= '9':
		dst = append(dst, "key_"...)
	case !isNameByte(key[0]) || key[0] == '_':
		dst = append(dst, "key"...)
	}
	return AppendNamePart(dst, key)
}

// AppendNamePart appends the rest of a name.
func AppendNamePart(dst, key []byte) []byte {
	for _, c := range key {
		switch {
		case isNameByte(c):
			dst = append(dst, c)
		case c < 0x80 || c >= 0xc0: // once for a rune, at its first byte
			dst = append(dst, '_')
		}
	}
	return dst
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}
