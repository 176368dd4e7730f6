// Package clusters makes the objects of a cluster as controllers and kubelets would have left them: the same for the same
// size, and of the size that real ones have, with what nobody reads (managed fields, volumes, probes).
package clusters

import (
	"crypto/sha256"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// Objects are those of a cluster, by kind. They belong to the caller.
type Objects struct {
	Namespaces     []*corev1.Namespace
	Nodes          []*corev1.Node
	Pods           []*corev1.Pod
	Services       []*corev1.Service
	Endpoints      []*corev1.Endpoints //nolint:staticcheck // what kubernetes_sd_configs' role endpoints reads
	EndpointSlices []*discoveryv1.EndpointSlice
	Deployments    []*appsv1.Deployment
	ReplicaSets    []*appsv1.ReplicaSet
	StatefulSets   []*appsv1.StatefulSet
	DaemonSets     []*appsv1.DaemonSet
	CronJobs       []*batchv1.CronJob
	Jobs           []*batchv1.Job
}

// All are the objects of all kinds, owners before what they own.
func (o *Objects) All() []runtime.Object {
	var out []runtime.Object
	out = add(out, o.Namespaces)
	out = add(out, o.Nodes)
	out = add(out, o.Deployments)
	out = add(out, o.ReplicaSets)
	out = add(out, o.StatefulSets)
	out = add(out, o.DaemonSets)
	out = add(out, o.CronJobs)
	out = add(out, o.Jobs)
	out = add(out, o.Pods)
	out = add(out, o.Services)
	out = add(out, o.Endpoints)
	return add(out, o.EndpointSlices)
}

func add[O runtime.Object](out []runtime.Object, list []O) []runtime.Object {
	for _, o := range list {
		out = append(out, o)
	}
	return out
}

// PodsOn are the pods of a node.
func (o *Objects) PodsOn(node string) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range o.Pods {
		if p.Spec.NodeName == node {
			out = append(out, p)
		}
	}
	return out
}

// Born is when a cluster was created.
var Born = time.Date(2026, time.March, 2, 8, 30, 0, 0, time.UTC)

// UID makes a uid of parts; equal parts give equal uids.
func UID(parts ...string) types.UID {
	h := digest(parts...)
	return types.UID(fmt.Sprintf("%x-%x-4%03x-a%03x-%x", h[:4], h[4:6], int(h[6])<<4|int(h[7])&15, int(h[8])<<4|int(h[9])&15, h[10:16]))
}

func digest(parts ...string) [32]byte { return sha256.Sum256(fmt.Appendf(nil, "%q", parts)) }

// suffix is like those that controllers add to names.
func suffix(n int, parts ...string) string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	h := digest(parts...)
	out := make([]byte, n)
	for i := range out {
		out[i] = letters[int(h[i])%len(letters)]
	}
	return string(out)
}

// NodeName is the name of the i-th node, from 0.
func NodeName(i int) string { return fmt.Sprintf("node-%04d", i) }

// namespaces of teams; what belongs to the cluster is in kube-system and monitoring.
const teams = 10

func team(i int) string { return fmt.Sprintf("team-%02d", i%teams) }

// plan is what is being made.
type plan struct {
	Objects
	services    int
	zones       map[string]string // by node
	taken       map[string]bool   // names of pods
	deployments []*app            // those that services choose
	next        int               // which deployment gets the next pod
	cron        int
}

// app is a workload while its pods are made.
type app struct {
	namespace, name string
	labels          map[string]string // that select its pods
	pods            []*corev1.Pod
	owner           metav1.OwnerReference
}

// New makes a cluster. On each node: a static pod with host network, two pods of DaemonSets, then pods of Deployments, with a
// StatefulSet's, a finished Job's of a CronJob and a bare one among them. Services choose Deployments in turn; what has no pod has
// no endpoints.
func New(nodes, podsPerNode, services int) *Objects {
	p := &plan{services: services, zones: map[string]string{}, taken: map[string]bool{}}
	p.namespaces()
	p.apps(max(1, min(services, nodes*max(0, podsPerNode-6))))
	exporter := p.daemonSet("monitoring", "node-exporter", true)
	network := p.daemonSet("kube-system", "cilium", false)
	stateful := p.statefulSet("team-00", "postgres")
	for i := range nodes {
		p.node(i, podsPerNode)
		for j := range podsPerNode {
			at := place{node: i, slot: j}
			switch {
			case j == 0:
				p.static(at)
			case j == 1:
				p.daemonPod(at, exporter)
			case j == 2:
				p.daemonPod(at, network)
			case j == 4 && i%2 == 0:
				p.statefulPod(at, stateful)
			case j == 5 && i%3 == 0:
				p.cronPod(at)
			case j == 6 && i%4 == 0:
				p.bare(at)
			default:
				p.deploymentPod(at)
			}
		}
	}
	p.finish()
	return &p.Objects
}

// place is where a pod runs.
type place struct{ node, slot int }

func (at place) podIP() string {
	return fmt.Sprintf("10.%d.%d.%d", 64+at.node/256, at.node%256, 10+at.slot%240)
}

func nodeIP(node int) string { return fmt.Sprintf("192.168.%d.%d", node/250, 1+node%250) }

func (p *plan) namespaces() {
	names := []string{"default", "kube-system", "monitoring"}
	for i := range teams {
		names = append(names, team(i))
	}
	for _, n := range names {
		p.Namespaces = append(p.Namespaces, &corev1.Namespace{
			ObjectMeta: metav1.ObjectMeta{Name: n, UID: UID("namespace", n), CreationTimestamp: metav1.Time{Time: Born}, Labels: map[string]string{"kubernetes.io/metadata.name": n}},
			Spec:       corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
			Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
		})
	}
}
