package kubesd

import (
	"net"
	"reflect"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluiceio/sluice/kube"
)

const (
	podIPLabel                 = prefix + "pod_ip"
	podReadyLabel              = prefix + "pod_ready"
	podPhaseLabel              = prefix + "pod_phase"
	podNodeNameLabel           = prefix + "pod_node_name"
	podHostIPLabel             = prefix + "pod_host_ip"
	podUIDLabel                = prefix + "pod_uid"
	podControllerKindLabel     = prefix + "pod_controller_kind"
	podControllerNameLabel     = prefix + "pod_controller_name"
	podDeploymentNameLabel     = prefix + "pod_deployment_name"
	podJobNameLabel            = prefix + "pod_job_name"
	podCronJobNameLabel        = prefix + "pod_cronjob_name"
	containerNameLabel         = prefix + "pod_container_name"
	containerIDLabel           = prefix + "pod_container_id"
	containerImageLabel        = prefix + "pod_container_image"
	containerInitLabel         = prefix + "pod_container_init"
	containerPortNameLabel     = prefix + "pod_container_port_name"
	containerPortNumberLabel   = prefix + "pod_container_port_number"
	containerPortProtocolLabel = prefix + "pod_container_port_protocol"
)

// pod makes a target of each port of each container, and one without a port of a container that has none.
func (b *builder) pod(o any) *targetgroup.Group {
	p, is := o.(*corev1.Pod)
	if !is {
		return nil
	}
	g := &targetgroup.Group{Source: b.role.label + p.Namespace + "/" + p.Name}
	if p.Status.PodIP == "" { // it begins, or was evicted
		return g
	}
	l := model.LabelSet{}
	// A selector of nodes also chooses the pods.
	if b.watches.nodes != nil && !b.node(l, p.Spec.NodeName) {
		return g
	}
	b.podLabels(l, p)
	l[namespaceLabel] = model.LabelValue(p.Namespace)
	b.namespace(l, p.Namespace)
	g.Labels = l
	for c := range containers(p) {
		target := model.LabelSet{
			containerNameLabel: model.LabelValue(c.Name), containerIDLabel: model.LabelValue(c.id()), containerImageLabel: model.LabelValue(c.Image),
			containerInitLabel: boolean(c.init),
		}
		if len(c.Ports) == 0 { // users add the port by relabelling
			target[model.AddressLabel] = model.LabelValue(p.Status.PodIP)
			g.Targets = append(g.Targets, target)
			continue
		}
		for i := range c.Ports {
			t := target.Clone()
			number := port(c.Ports[i].ContainerPort)
			t[model.AddressLabel] = model.LabelValue(net.JoinHostPort(p.Status.PodIP, number))
			t[containerPortNumberLabel] = model.LabelValue(number)
			t[containerPortNameLabel] = model.LabelValue(c.Ports[i].Name)
			t[containerPortProtocolLabel] = model.LabelValue(c.Ports[i].Protocol)
			g.Targets = append(g.Targets, t)
		}
	}
	return g
}

// podLabels adds what each role says of a pod.
func (b *builder) podLabels(into model.LabelSet, p *corev1.Pod) {
	into[podIPLabel] = model.LabelValue(p.Status.PodIP)
	into[podReadyLabel] = ready(p)
	into[podPhaseLabel] = model.LabelValue(p.Status.Phase)
	into[podNodeNameLabel] = model.LabelValue(p.Spec.NodeName)
	into[podHostIPLabel] = model.LabelValue(p.Status.HostIP)
	into[podUIDLabel] = model.LabelValue(p.UID)
	b.named(into, p, RolePod)
	by := controller(p)
	if by == nil {
		return
	}
	if by.Kind != "" {
		into[podControllerKindLabel] = model.LabelValue(by.Kind)
	}
	if by.Name != "" {
		into[podControllerNameLabel] = model.LabelValue(by.Name)
	}
	switch attach := b.config.AttachMetadata; {
	case bool(b.config.OwnNode): // ReplicaSets and Jobs have no node to select by: the owner's name says enough
		id := kube.PodOf(p)
		owners := map[model.LabelName]string{}
		if attach.Deployment {
			owners[podDeploymentNameLabel] = id.Deployment()
		}
		if attach.Job && by.Kind == "Job" {
			owners[podJobNameLabel] = by.Name
		}
		if attach.CronJob {
			owners[podCronJobNameLabel] = id.CronJob()
		}
		for label, name := range owners {
			if name != "" {
				into[label] = model.LabelValue(name)
			}
		}
	case by.Kind == "ReplicaSet" && attach.Deployment:
		b.owner(into, podDeploymentNameLabel, object{onReplicaSet, p.Namespace + "/" + by.Name}, "Deployment")
	case by.Kind == "Job":
		if attach.Job {
			into[podJobNameLabel] = model.LabelValue(by.Name)
		}
		if attach.CronJob {
			b.owner(into, podCronJobNameLabel, object{onJob, p.Namespace + "/" + by.Name}, "CronJob")
		}
	}
}

// owner adds the name of an object's controller, if it is of the kind.
func (b *builder) owner(into model.LabelSet, label model.LabelName, of object, kind string) {
	o, is := b.get(of.kind, of.key).(metav1.Object)
	if !is {
		return
	}
	if by := controller(o); by != nil && by.Kind == kind {
		into[label] = model.LabelValue(by.Name)
	}
}

// container is one of a pod's.
type container struct {
	*corev1.Container
	init bool
	pod  *corev1.Pod
}

// containers are those of a pod, then those that prepare it.
func containers(p *corev1.Pod) func(yield func(container) bool) {
	return func(yield func(container) bool) {
		for i := range p.Spec.Containers {
			if !yield(container{&p.Spec.Containers[i], false, p}) {
				return
			}
		}
		for i := range p.Spec.InitContainers {
			if !yield(container{&p.Spec.InitContainers[i], true, p}) {
				return
			}
		}
	}
}

func (c container) id() string {
	statuses := c.pod.Status.ContainerStatuses
	if c.init {
		statuses = c.pod.Status.InitContainerStatuses
	}
	for i := range statuses {
		if statuses[i].Name == c.Name {
			return statuses[i].ContainerID
		}
	}
	return ""
}

func ready(p *corev1.Pod) model.LabelValue {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return model.LabelValue(strings.ToLower(string(c.Status)))
		}
	}
	return "unknown"
}

func port(n int32) string { return strconv.FormatUint(uint64(n), 10) }

func boolean(b bool) model.LabelValue { return model.LabelValue(strconv.FormatBool(b)) }

// samePod reports whether two versions of a pod give the same targets.
func samePod(a, b *corev1.Pod) bool {
	return a.Status.PodIP == b.Status.PodIP && a.Status.Phase == b.Status.Phase && a.Status.HostIP == b.Status.HostIP && ready(a) == ready(b) &&
		a.Spec.NodeName == b.Spec.NodeName && sameMetadata(a, b) && sameIDs(a.Status.ContainerStatuses, b.Status.ContainerStatuses) &&
		sameIDs(a.Status.InitContainerStatuses, b.Status.InitContainerStatuses) &&
		reflect.DeepEqual(a.Spec.Containers, b.Spec.Containers) && reflect.DeepEqual(a.Spec.InitContainers, b.Spec.InitContainers) &&
		(a.DeletionTimestamp == nil) == (b.DeletionTimestamp == nil)
}

func sameIDs(a, b []corev1.ContainerStatus) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].ContainerID != b[i].ContainerID {
			return false
		}
	}
	return true
}
