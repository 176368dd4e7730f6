package nodemetrics

// Kubelet is /metrics: the kubelet's own series.
func (n *Node) Kubelet() []byte {
	var e exposition
	containers := 0
	for _, p := range n.Pods {
		containers += len(running(p))
	}
	gauge := func(name, help string, v float64, labels ...string) {
		e.family(name, "gauge", help)
		e.sample(name, v, labels...)
	}
	gauge("kubernetes_build_info", "[BETA] A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.", 1,
		"build_date", "2026-04-15T12:00:00Z", "compiler", "gc", "git_commit", "0123456789abcdef0123456789abcdef01234567", "git_tree_state", "clean", "git_version", "v1.35.4", "go_version", "go1.25.8", "major", "1", "minor", "35", "platform", "linux/amd64")
	gauge("kubelet_node_name", "[ALPHA] The node's name. The count is always 1.", 1, "node", n.Name)
	gauge("kubelet_running_pods", "[ALPHA] Number of pods that have a running pod sandbox", float64(len(n.Pods)))
	e.family("kubelet_running_containers", "gauge", "[ALPHA] Number of containers currently running")
	e.sample("kubelet_running_containers", float64(containers), "container_state", "running")
	e.sample("kubelet_running_containers", 2, "container_state", "exited")
	gauge("kubelet_certificate_manager_client_ttl_seconds", "[ALPHA] Gauge of the TTL (time-to-live) of the Kubelet's client certificate.", 86400*300-n.Now.Sub(n.Started).Seconds())
	gauge("process_resident_memory_bytes", "Resident memory size in bytes.", float64(int64(n.level(110<<20, n.Name, "rss"))))
	gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", float64(n.Started.Unix()))
	gauge("go_goroutines", "Number of goroutines that currently exist.", float64(int64(n.level(400, n.Name, "goroutines"))))
	e.family("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.")
	e.sample("process_cpu_seconds_total", n.counted(0.06, n.Name, "process"))

	operations := []string{"container_status", "create_container", "exec_sync", "image_status", "list_containers", "list_images", "list_podsandbox", "podsandbox_status", "pull_image", "remove_container", "run_podsandbox", "start_container", "status", "stop_podsandbox", "version"}
	e.family("kubelet_runtime_operations_total", "counter", "[ALPHA] Cumulative number of runtime operations by operation type.")
	for _, o := range operations {
		e.sample("kubelet_runtime_operations_total", float64(int64(n.counted(2, o))), "operation_type", o)
	}
	e.family("kubelet_runtime_operations_errors_total", "counter", "[ALPHA] Cumulative number of runtime operation errors by operation type.")
	for _, o := range operations[:3] {
		e.sample("kubelet_runtime_operations_errors_total", float64(int64(n.counted(0.01, o, "error"))), "operation_type", o)
	}
	e.family("kubelet_runtime_operations_duration_seconds", "histogram", "[ALPHA] Duration in seconds of runtime operations. Broken down by operation type.")
	for _, o := range operations {
		e.histogram("kubelet_runtime_operations_duration_seconds", n.counted(2, o), "operation_type", o)
	}
	for _, h := range []struct{ name, help string }{
		{"kubelet_pleg_relist_duration_seconds", "[ALPHA] Duration in seconds for relisting pods in PLEG."},
		{"kubelet_pleg_relist_interval_seconds", "[ALPHA] Interval in seconds between relisting in PLEG."},
		{"kubelet_pod_start_duration_seconds", "[ALPHA] Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run"},
	} {
		e.family(h.name, "histogram", h.help)
		e.histogram(h.name, n.counted(1, h.name))
	}
	e.family("kubelet_pod_worker_duration_seconds", "histogram", "[ALPHA] Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync")
	for _, o := range []string{"create", "sync", "update"} {
		e.histogram("kubelet_pod_worker_duration_seconds", n.counted(1, o, "worker"), "operation_type", o)
	}
	e.family("rest_client_requests_total", "counter", "[ALPHA] Number of HTTP requests, partitioned by status code, method, and host.")
	for _, code := range []string{"200", "201", "409"} {
		e.sample("rest_client_requests_total", float64(int64(n.counted(0.5, code))), "code", code, "host", "10.200.0.1:443", "method", "GET")
	}
	for _, v := range []struct {
		name, help string
		value      float64
	}{
		{"kubelet_volume_stats_available_bytes", "[ALPHA] Number of available bytes in the volume", 6 << 30},
		{"kubelet_volume_stats_capacity_bytes", "[ALPHA] Capacity in bytes of the volume", 10 << 30},
		{"kubelet_volume_stats_used_bytes", "[ALPHA] Number of used bytes in the volume", 4 << 30},
	} {
		e.family(v.name, "gauge", v.help)
		for _, p := range n.Pods {
			if len(p.OwnerReferences) > 0 && p.OwnerReferences[0].Kind == "StatefulSet" {
				e.sample(v.name, v.value, "namespace", p.Namespace, "persistentvolumeclaim", "data-"+p.Name)
			}
		}
	}
	return e.Bytes()
}
