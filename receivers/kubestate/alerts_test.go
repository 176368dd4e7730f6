package kubestate

import (
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"golang.org/x/tools/txtar"
)

// TestAlertsSeeFaults: what the alerts and recording rules of kube-prometheus ask for finds the faults of the cases' objects. The expressions are
// the core of theirs: the same names, labels and joins.
func TestAlertsSeeFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^(\w+)\{(.*)\}(?: counter)? (\S+)$`)
	load := "load 30s\n"
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range txtar.Parse(text).Files {
			for _, m := range line.FindAllStringSubmatch(string(f.Data), -1) {
				if f.Name == "want" {
					load += "  " + m[1] + "{" + m[2] + `,job="kube-state-metrics",instance="kube-state-metrics"} ` + m[3] + "+0x40\n"
				}
			}
		}
	}
	storage, engine := promqltest.LoadedStorage(t, load), promqltest.NewTestEngine(t, false, 0, 1_000_000)
	for name, c := range map[string]struct{ expr, want string }{
		"KubePodCrashLooping": {
			`max_over_time(kube_pod_container_status_waiting_reason{reason="CrashLoopBackOff",job="kube-state-metrics"}[5m]) >= 1`, `pod="web-1"`},
		"KubePodNotReady": {`sum by (namespace, pod) (max by (namespace, pod) (kube_pod_status_phase{job="kube-state-metrics",phase=~"Pending|Unknown"})
			* on (namespace, pod) group_left (owner_kind) topk by (namespace, pod) (1, max by (namespace, pod, owner_kind) (kube_pod_owner{owner_kind!="Job"}))) > 0`, `pod="pending"`},
		"KubeContainerWaiting":             {`kube_pod_container_status_waiting_reason{reason!="CrashLoopBackOff",job="kube-state-metrics"} > 0`, ""},
		"KubeDeploymentGenerationMismatch": {`kube_deployment_status_observed_generation != kube_deployment_metadata_generation`, `deployment="web"`},
		"KubeDeploymentReplicasMismatch": {
			`(kube_deployment_spec_replicas > kube_deployment_status_replicas_available) and (changes(kube_deployment_status_replicas_updated[10m]) == 0)`, `deployment="web"`},
		"KubeDeploymentRolloutStuck": {`kube_deployment_status_condition{condition="Progressing",status="false",job="kube-state-metrics"} != 0`, `deployment="web"`},
		"KubeStatefulSetUpdateNotRolledOut": {`max by (namespace, statefulset) (kube_statefulset_status_current_revision unless kube_statefulset_status_update_revision)
			* on (namespace, statefulset) (kube_statefulset_replicas != kube_statefulset_status_replicas_updated)`, `statefulset="db"`},
		"KubeDaemonSetRolloutStuck": {`kube_daemonset_status_updated_number_scheduled != kube_daemonset_status_desired_number_scheduled`, `daemonset="net"`},
		"KubeDaemonSetMisScheduled": {`kube_daemonset_status_number_misscheduled > 0`, `daemonset="net"`},
		"KubeJobNotCompleted":       {`max by (namespace, job_name) (kube_job_status_start_time and kube_job_status_active > 0)`, `job_name="report-1"`},
		"KubeJobFailed":             {`kube_job_failed{job="kube-state-metrics"} > 0`, `job_name="failed"`},
		"KubeHpaMaxedOut":           {`kube_horizontalpodautoscaler_status_current_replicas == kube_horizontalpodautoscaler_spec_max_replicas`, `horizontalpodautoscaler="web"`},
		"KubePdbNotEnoughHealthyPods": {
			`(kube_poddisruptionbudget_status_desired_healthy - kube_poddisruptionbudget_status_current_healthy) > 0`, `poddisruptionbudget="web"`},
		"KubeQuotaFullyUsed": {`kube_resourcequota{job="kube-state-metrics",type="used"} / ignoring (instance, job, type) (kube_resourcequota{job="kube-state-metrics",type="hard"} > 0) == 1`,
			`resource="pods"`},
		"KubeCPUQuotaOvercommit":     {`sum(min without (resource) (kube_resourcequota{type="hard",resource=~"(cpu|requests.cpu)"})) / sum(kube_node_status_allocatable{resource="cpu"}) > 1`, "{}"},
		"KubePersistentVolumeErrors": {`kube_persistentvolume_status_phase{phase=~"Failed|Pending",job="kube-state-metrics"} > 0`, `persistentvolume="pv-2"`},
		"read-only claims":           {`kube_persistentvolumeclaim_access_mode{access_mode="ReadOnlyMany"} == 1`, `persistentvolumeclaim="data"`},
		"KubeNodeNotReady":           {`kube_node_status_condition{job="kube-state-metrics",condition="Ready",status="true"} == 0`, `node="node-1"`},
		"KubeNodePressure":           {`kube_node_status_condition{condition=~"(MemoryPressure|DiskPressure|PIDPressure)",status="true"} == 1`, `condition="DiskPressure"`},
		"KubeNodeUnreachable": {`(kube_node_spec_taint{key="node.kubernetes.io/unreachable",effect="NoSchedule"} unless ignoring (key, value)
			kube_node_spec_taint{key=~"ToBeDeletedByClusterAutoscaler|aws-node-termination-handler/spot-itn"}) == 1`, `node="node-1"`},
		"KubeletTooManyPods": {`count by (cluster, node) ((kube_pod_status_phase{job="kube-state-metrics",phase="Running"} == 1) * on (instance, pod, namespace, cluster)
			group_left (node) topk by (instance, pod, namespace, cluster) (1, kube_pod_info{job="kube-state-metrics"}))
			/ max by (cluster, node) (kube_node_status_capacity{job="kube-state-metrics",resource="pods"} != 1) > 0`, `node="node-1"`},
		"node_namespace_pod:kube_pod_info:": {`topk by (cluster, namespace, pod) (1, max by (cluster, node, namespace, pod) (label_replace(kube_pod_info{job="kube-state-metrics",node!=""},
			"pod", "$1", "pod", "(.*)"))) and on (pod) kube_pod_info{created_by_kind="ReplicaSet"}`, `pod="web-1"`},
		"namespace_workload_pod:kube_pod_owner:relabel": {`label_replace(kube_pod_owner{job="kube-state-metrics",owner_kind="ReplicaSet"}, "replicaset", "$1", "owner_name", "(.*)")`, `replicaset="web"`},
		"namespace_cpu:kube_pod_container_resource_requests:sum": {`sum by (namespace, cluster) (sum by (namespace, pod, cluster) (max by (namespace, pod, container, cluster)
			(kube_pod_container_resource_requests{resource="cpu",job="kube-state-metrics"}) * on (namespace, pod, cluster) group_left () max by (namespace, pod, cluster)
			(kube_pod_status_phase{phase=~"Pending|Running"} == 1)))`, `namespace="shop"`},
		"a pod that hangs while it ends": {`count by (namespace, pod) (kube_pod_deletion_timestamp) * count by (namespace, pod) (kube_pod_status_reason{reason="NodeLost"} == 0) > 0`, `pod="evicted"`},
		"restarts":                       {`kube_pod_container_status_restarts_total > 0 and on (namespace, pod, container) kube_pod_container_status_last_terminated_reason{reason="OOMKilled"}`, `pod="web-1"`},
	} {
		query, err := engine.NewInstantQuery(t.Context(), storage, nil, c.expr, time.Unix(900, 0))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		result := query.Exec(t.Context())
		vector, err := result.Vector()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := found(vector); len(vector) > 1 || (c.want == "") != (len(vector) == 0) || !strings.Contains(got, c.want) {
			t.Errorf("%s found %s, want %s", name, got, c.want)
		}
	}
}

func found(v promql.Vector) string {
	var out []string
	for _, s := range v {
		out = append(out, s.Metric.String())
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}
