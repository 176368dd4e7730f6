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
