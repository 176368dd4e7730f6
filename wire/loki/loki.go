// Package loki holds what our two sides of Loki agree on: the exporter that pushes to it, and the embedded store that
// answers in its place. With the same streams on both, a query written against one finds the same on the other.
package loki

// IndexAttributes are the resource attributes that become labels of streams where nobody says otherwise: Loki's own
// defaults for OTLP (distributor.otlp_config.default_resource_attributes_as_index_labels in its configuration
// reference). The caller may change the slice.
func IndexAttributes() []string {
	return []string{
		"service.name", "service.namespace", "service.instance.id", "deployment.environment", "deployment.environment.name",
		"cloud.region", "cloud.availability_zone", "k8s.cluster.name", "k8s.namespace.name", "k8s.pod.name",
		"k8s.container.name", "container.name", "k8s.replicaset.name", "k8s.deployment.name", "k8s.statefulset.name",
		"k8s.daemonset.name", "k8s.cronjob.name", "k8s.job.name",
	}
}

// ServiceFrom are the labels that name a service which has no service.name, in Loki's order
// (limits_config.discover_service_name, as far as they are index labels).
func ServiceFrom() [3]string {
	return [...]string{"container_name", "k8s_container_name", "k8s_job_name"}
}

// MaxLabelValue is Loki's default of max_label_value_length, in bytes. A longer value becomes structured metadata and
// does not cost the stream.
const MaxLabelValue = 2048

// AppendName appends the name of the label that an attribute's key becomes: dots and whatever else a name cannot have
// become underscores, a leading digit gets "key_" and a leading underscore "key", as Loki's OTLP endpoint does.
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

// AppendNamePart appends a key behind the beginning of a name.
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
