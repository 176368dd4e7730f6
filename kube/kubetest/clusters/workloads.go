package clusters

import (
	"fmt"
	"maps"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// object is the metadata of a controller.
func object(kind, namespace, name string, labels map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: UID(kind, namespace, name), CreationTimestamp: metav1.Time{Time: Born}, Generation: 1, Labels: maps.Clone(labels)}
}

func ownedBy(apiVersion, kind string, m metav1.ObjectMeta) metav1.OwnerReference {
	yes := true
	return metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: m.Name, UID: m.UID, Controller: &yes, BlockOwnerDeletion: &yes}
}

func with(labels map[string]string, more ...string) map[string]string {
	out := maps.Clone(labels)
	for i := 0; i < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

// podName is a controller's name and a suffix that no other pod has.
func (p *plan) podName(owner, part string) string {
	for try := 0; ; try++ {
		name := owner + "-" + suffix(5, owner, part, fmt.Sprint(try))
		if !p.taken[name] {
			p.taken[name] = true
			return name
		}
	}
}

func template(a *app, containers ...string) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: maps.Clone(a.labels)}}
	for i := range containers {
		t.Spec.Containers = append(t.Spec.Containers, container(want{containers: containers}, i))
	}
	return t
}

// apps makes Deployments with their ReplicaSets: the present one, and of some an older one without pods.
func (p *plan) apps(n int) {
	for i := range n {
		a := &app{namespace: team(i), name: fmt.Sprintf("web-%04d", i)}
		a.labels = map[string]string{"app.kubernetes.io/name": a.name, "app.kubernetes.io/instance": a.name + "-prod", "app.kubernetes.io/version": "v1.4.2", "app.kubernetes.io/part-of": "shop"}
		d := &appsv1.Deployment{ObjectMeta: object("deployment", a.namespace, a.name, a.labels)}
		d.Annotations = map[string]string{"deployment.kubernetes.io/revision": "2"}
		d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": a.name}}
		d.Spec.Template = template(a, "web", "proxy")
		p.Deployments = append(p.Deployments, d)
		revisions := 1 + (i+1)%2
		for r := range revisions {
			hash := suffix(10, "template", a.name, fmt.Sprint(r))
			rs := &appsv1.ReplicaSet{ObjectMeta: object("replicaset", a.namespace, a.name+"-"+hash, with(a.labels, "pod-template-hash", hash))}
			rs.OwnerReferences = []metav1.OwnerReference{ownedBy("apps/v1", "Deployment", d.ObjectMeta)}
			rs.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": a.name, "pod-template-hash": hash}}
			rs.Spec.Template = d.Spec.Template
			rs.Spec.Replicas = new(int32)
			p.ReplicaSets = append(p.ReplicaSets, rs)
			if r == revisions-1 {
				a.owner = ownedBy("apps/v1", "ReplicaSet", rs.ObjectMeta)
				a.labels = with(a.labels, "pod-template-hash", hash)
			}
		}
		p.deployments = append(p.deployments, a)
	}
}

func (p *plan) deploymentPod(at place) {
	i := p.next % len(p.deployments)
	a := p.deployments[i]
	p.next++
	w := want{namespace: a.namespace, name: p.podName(a.owner.Name, fmt.Sprint(p.next)), labels: a.labels, owner: &a.owner, containers: []string{"web"}}
	if i%2 == 0 {
		w.annotations = map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "9090", "prometheus.io/path": "/metrics"}
	}
	if i%3 == 0 {
		w.containers = []string{"web", "proxy"}
	}
	a.pods = append(a.pods, p.pod(at, w))
}

func (p *plan) daemonSet(namespace, name string, host bool) *app {
	a := &app{namespace: namespace, name: name, labels: map[string]string{"app.kubernetes.io/name": name}}
	d := &appsv1.DaemonSet{ObjectMeta: object("daemonset", namespace, name, a.labels)}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: a.labels}
	d.Spec.Template = template(a, name)
	d.Spec.Template.Spec.HostNetwork = host
	a.owner = ownedBy("apps/v1", "DaemonSet", d.ObjectMeta)
	a.labels = with(a.labels, "controller-revision-hash", suffix(9, "revision", name), "pod-template-generation", "1")
	p.DaemonSets = append(p.DaemonSets, d)
	return a
}

func (p *plan) daemonPod(at place, a *app) {
	w := want{namespace: a.namespace, name: p.podName(a.name, NodeName(at.node)), labels: a.labels, owner: &a.owner, hostNetwork: a.name == "node-exporter", containers: []string{a.name}}
	a.pods = append(a.pods, p.pod(at, w))
}

func (p *plan) statefulSet(namespace, name string) *app {
	a := &app{namespace: namespace, name: name, labels: map[string]string{"app.kubernetes.io/name": name}}
	s := &appsv1.StatefulSet{ObjectMeta: object("statefulset", namespace, name, a.labels)}
	s.Spec.ServiceName = name
	s.Spec.Selector = &metav1.LabelSelector{MatchLabels: a.labels}
	s.Spec.Template = template(a, name)
	a.owner = ownedBy("apps/v1", "StatefulSet", s.ObjectMeta)
	p.StatefulSets = append(p.StatefulSets, s)
	return a
}

func (p *plan) statefulPod(at place, a *app) {
	name := fmt.Sprintf("%s-%d", a.name, len(a.pods))
	labels := with(a.labels, "statefulset.kubernetes.io/pod-name", name, "apps.kubernetes.io/pod-index", fmt.Sprint(len(a.pods)), "controller-revision-hash", a.name+"-"+suffix(10, "revision", a.name))
	pod := p.pod(at, want{namespace: a.namespace, name: name, labels: labels, owner: &a.owner, containers: []string{a.name}})
	pod.Spec.Hostname, pod.Spec.Subdomain = name, a.name
	a.pods = append(a.pods, pod)
}

// cronPod makes a CronJob with a Job that has finished, and its pod.
func (p *plan) cronPod(at place) {
	name := fmt.Sprintf("report-%d", p.cron)
	c := &batchv1.CronJob{ObjectMeta: object("cronjob", team(p.cron), name, nil)}
	c.Spec.Schedule = "0 * * * *"
	scheduled := Born.Add(time.Duration(p.cron) * time.Hour).Truncate(time.Minute)
	job := &batchv1.Job{ObjectMeta: object("job", c.Namespace, fmt.Sprintf("%s-%d", name, scheduled.Unix()/60), nil)}
	job.OwnerReferences = []metav1.OwnerReference{ownedBy("batch/v1", "CronJob", c.ObjectMeta)}
	job.Status.Succeeded = 1
	p.CronJobs, p.Jobs = append(p.CronJobs, c), append(p.Jobs, job)
	labels := map[string]string{batchv1.JobNameLabel: job.Name, batchv1.ControllerUidLabel: string(job.UID), "job-name": job.Name, "controller-uid": string(job.UID)}
	owner := ownedBy("batch/v1", "Job", job.ObjectMeta)
	p.pod(at, want{namespace: c.Namespace, name: p.podName(job.Name, ""), labels: labels, owner: &owner, ended: true, containers: []string{"report"}})
	p.cron++
}

func (p *plan) bare(at place) {
	p.pod(at, want{namespace: "default", name: fmt.Sprintf("debug-%d", at.node), labels: map[string]string{"run": "debug"}, containers: []string{"debug"}})
}

// static makes the mirror of a pod that the kubelet read from a file. Its uid is not the one in the paths of its logs: that is the
// hash in the annotations.
func (p *plan) static(at place) {
	node := NodeName(at.node)
	hash := fmt.Sprintf("%x", digest("static", node))[:32]
	p.pod(at, want{
		namespace: "kube-system", name: "kube-proxy-" + node, hostNetwork: true, containers: []string{"kube-proxy"}, labels: map[string]string{"component": "kube-proxy", "tier": "node"},
		annotations: map[string]string{"kubernetes.io/config.hash": hash, corev1.MirrorPodAnnotationKey: hash, "kubernetes.io/config.source": "file", "kubernetes.io/config.seen": Born.Format(time.RFC3339Nano)},
		owner:       &metav1.OwnerReference{APIVersion: "v1", Kind: "Node", Name: node, UID: UID("node", node), Controller: new(true)},
	})
}

// finish fills in what depends on the number of pods, and makes the services.
func (p *plan) finish() {
	count := map[string]int32{} // by the owner's uid
	for _, pod := range p.Pods {
		for _, o := range pod.OwnerReferences {
			count[string(o.UID)]++
		}
	}
	for _, rs := range p.ReplicaSets {
		n := count[string(rs.UID)]
		rs.Spec.Replicas = &n
		rs.Status = appsv1.ReplicaSetStatus{Replicas: n, ReadyReplicas: n, AvailableReplicas: n, ObservedGeneration: 1}
		count[string(rs.OwnerReferences[0].UID)] += n
	}
	for _, d := range p.Deployments {
		n := count[string(d.UID)]
		d.Spec.Replicas = &n
		d.Status = appsv1.DeploymentStatus{Replicas: n, ReadyReplicas: n, AvailableReplicas: n, UpdatedReplicas: n, ObservedGeneration: 1}
	}
	for _, s := range p.StatefulSets {
		n := count[string(s.UID)]
		s.Spec.Replicas = &n
		s.Status = appsv1.StatefulSetStatus{Replicas: n, ReadyReplicas: n, AvailableReplicas: n, UpdatedReplicas: n, ObservedGeneration: 1}
	}
	for _, d := range p.DaemonSets {
		n := count[string(d.UID)]
		d.Status = appsv1.DaemonSetStatus{DesiredNumberScheduled: n, CurrentNumberScheduled: n, NumberReady: n, NumberAvailable: n, UpdatedNumberScheduled: n, ObservedGeneration: 1}
	}
	for i := range p.services {
		p.service(i)
	}
}
