package k8sattributes

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/sluiceio/sluice/kube"
)

// objects are the other objects that attributes come from; nil where none do. On an agent they are fetched one by one.
type objects struct {
	namespaces, nodes, replicaSets, deployments, statefulSets, daemonSets, jobs *kube.Objects
	all                                                                         []*kube.Objects // that are not nil
}

func newObjects(u *kube.User, c *Config, r *rules, node string) *objects {
	one := c.Filter.oneNode()
	of := func(needed bool, k kube.Kind) *kube.Objects {
		if !needed {
			return nil
		}
		want := kube.Want{Kind: k, Namespace: c.Filter.Namespace}
		if k.String() == kube.Namespaces.String() {
			want.Namespace = ""
			return u.Objects(want, one || c.Filter.Namespace != "") // a Role of one namespace cannot list them
		}
		return u.Objects(want, one)
	}
	deployments := r.from("deployment")
	o := &objects{
		namespaces:   of(r.from("namespace") || r.metadata["k8s.cluster.uid"], kube.Namespaces),
		replicaSets:  of(deployments || r.metadata["k8s.deployment.uid"], kube.ReplicaSets),
		deployments:  of(deployments, kube.Deployments),
		statefulSets: of(r.from("statefulset"), kube.StatefulSets),
		daemonSets:   of(r.from("daemonset"), kube.DaemonSets),
		jobs:         of(r.from("job") || r.metadata["k8s.cronjob.uid"], kube.Jobs),
	}
	if r.from("node") || r.metadata["k8s.node.uid"] {
		want := kube.Want{Kind: kube.Nodes}
		if node != "" {
			want.Fields = "metadata.name=" + node
		}
		o.nodes = u.Objects(want, false)
	}
	for _, one := range []*kube.Objects{o.namespaces, o.nodes, o.replicaSets, o.deployments, o.statefulSets, o.daemonSets, o.jobs} {
		if one != nil {
			o.all = append(o.all, one)
		}
	}
	if o.deployments != nil {
		o.replicaSets.Then(func(m *metav1.PartialObjectMetadata) {
			if owner := metav1.GetControllerOfNoCopy(m); owner != nil && owner.Kind == "Deployment" {
				o.deployments.Get(m.Namespace, owner.Name)
			}
		})
	}
	return o
}

// version changes when one of the objects did.
func (o *objects) version() (sum uint64) {
	for _, one := range o.all {
		sum += one.Version()
	}
	return sum
}

func (o *objects) synced() bool {
	for _, one := range o.all {
		if !one.Synced() {
			return false
		}
	}
	return true
}

func get(o *kube.Objects, namespace, name string) *metav1.PartialObjectMetadata {
	if o == nil {
		return nil
	}
	return o.Get(namespace, name)
}

// getUID is nil for a later or earlier object of the name.
func getUID(o *kube.Objects, namespace, name, uid string) *metav1.PartialObjectMetadata {
	if o == nil {
		return nil
	}
	return o.GetUID(namespace, name, uid)
}

// prefetch asks for what a pod's attributes will need, when the pod comes: before its telemetry does.
func (o *objects) prefetch(r *rules) cache.ResourceEventHandlerFuncs {
	ask := func(pod any) {
		if p := kube.PodOf(pod); p != nil {
			o.ask(r, p)
		}
	}
	return cache.ResourceEventHandlerFuncs{AddFunc: ask, UpdateFunc: func(_, is any) { ask(is) }}
}

func (o *objects) ask(r *rules, p *kube.Pod) {
	var a attributes
	r.cluster(&a, o)
	r.owners(&a, o, p)
	r.places(&a, o, p.Namespace, p.Node)
}

// askAll keeps what the pods of the index need from being forgotten: a pod may be silent for an hour.
func (o *objects) askAll(r *rules, index *kube.Index) {
	var all []*kube.Entry
	index.Range(func(e *kube.Entry) bool { all = append(all, e); return true })
	for _, e := range all {
		o.ask(r, e.Pod())
	}
}

// places adds what is known of the namespace and the node.
func (r *rules) places(a *attributes, o *objects, namespace, node string) {
	if namespace != "" {
		r.object(a, "namespace", get(o.namespaces, "", namespace))
	}
	if n := get(o.nodes, "", node); n != nil {
		r.object(a, "node", n)
		if r.metadata["k8s.node.uid"] {
			a.set("k8s.node.uid", string(n.UID))
		}
	}
}

// cluster adds the uid of the namespace kube-system, which stands for the cluster.
func (r *rules) cluster(a *attributes, o *objects) {
	if !r.metadata["k8s.cluster.uid"] {
		return
	}
	if kubeSystem := get(o.namespaces, "", "kube-system"); kubeSystem != nil {
		a.set("k8s.cluster.uid", string(kubeSystem.UID))
	}
}

// owners adds what is known of the objects behind a pod.
func (r *rules) owners(a *attributes, o *objects, p *kube.Pod) {
	switch p.Owner.Kind {
	case "ReplicaSet":
		owner := controller(getUID(o.replicaSets, p.Namespace, p.Owner.Name, p.Owner.UID))
		if owner == nil || owner.Kind != "Deployment" {
			return
		}
		if r.metadata["k8s.deployment.uid"] {
			a.set("k8s.deployment.uid", string(owner.UID))
		}
		r.object(a, "deployment", getUID(o.deployments, p.Namespace, owner.Name, string(owner.UID)))
	case "StatefulSet":
		r.object(a, "statefulset", getUID(o.statefulSets, p.Namespace, p.Owner.Name, p.Owner.UID))
	case "DaemonSet":
		r.object(a, "daemonset", getUID(o.daemonSets, p.Namespace, p.Owner.Name, p.Owner.UID))
	case "Job":
		job := getUID(o.jobs, p.Namespace, p.Owner.Name, p.Owner.UID)
		r.object(a, "job", job)
		if owner := controller(job); owner != nil && owner.Kind == "CronJob" && r.metadata["k8s.cronjob.uid"] {
			a.set("k8s.cronjob.uid", string(owner.UID))
		}
	}
}

// controller is who controls an object.
func controller(m *metav1.PartialObjectMetadata) *metav1.OwnerReference {
	if m == nil {
		return nil
	}
	return metav1.GetControllerOfNoCopy(m)
}
