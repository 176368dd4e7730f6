package kubesd

import (
	"fmt"
	"math/rand/v2"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluiceio/sluice/kube/kubetest"
)

// someObject makes one of few objects of a kind, with what others refer to chosen from few names, so that references come and go.
func someObject(r *rand.Rand) runtime.Object {
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	number := fmt.Sprint(r.IntN(4))
	m := metav1.ObjectMeta{Namespace: pick("a", "b"), Name: number, UID: types.UID("u" + number), Labels: map[string]string{"app": pick("x", "y", "z"), "v": pick("1", "2")}}
	if r.IntN(2) == 0 {
		m = ownedBy(m, pick("ReplicaSet", "Job", "Deployment", "CronJob"), fmt.Sprint(r.IntN(4)))
	}
	none := metav1.ObjectMeta{Name: "n" + number, Labels: m.Labels}
	podRef := func() *corev1.ObjectReference {
		return &corev1.ObjectReference{Kind: pick("Pod", "Pod", "Node"), Namespace: m.Namespace, Name: pick("0", "1", "2", "n1")}
	}
	switch r.IntN(12) { // more pods than others
	case 0:
		return &corev1.Node{ObjectMeta: none, Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.0.0." + number}}}}
	case 1:
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.Namespace, Labels: m.Labels}}
	case 2:
		return &appsv1.ReplicaSet{ObjectMeta: m}
	case 3:
		return &batchv1.Job{ObjectMeta: m}
	case 4:
		return &corev1.Service{ObjectMeta: m, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": pick("x", "y")}, Ports: []corev1.ServicePort{{Port: int32(80 + r.IntN(2)), Protocol: corev1.ProtocolTCP}}}}
	case 5:
		return &corev1.Endpoints{ObjectMeta: m, Subsets: []corev1.EndpointSubset{{ //nolint:staticcheck // the role's object
			Ports: []corev1.EndpointPort{{Port: 80}}, Addresses: []corev1.EndpointAddress{{IP: "10.1.0.1", NodeName: new("n" + number), TargetRef: podRef()}, {IP: "10.1.0.2", TargetRef: podRef()}}, //nolint:staticcheck // the role's object
		}}}
	case 6:
		m.Labels[discoveryv1.LabelServiceName] = fmt.Sprint(r.IntN(4))
		return &discoveryv1.EndpointSlice{ObjectMeta: m, AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Port: new(int32(80))}},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.1"}, NodeName: new("n" + number), TargetRef: podRef()}, {Addresses: []string{"10.1.0.2"}, TargetRef: podRef()}}}
	case 7:
		return &networkingv1.Ingress{ObjectMeta: m, Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: pick("h", "i")}}}}
	}
	return &corev1.Pod{ObjectMeta: m, Spec: corev1.PodSpec{NodeName: "n" + pick("0", "1", "2"), Containers: []corev1.Container{{Name: "c", Ports: []corev1.ContainerPort{{ContainerPort: int32(80 + r.IntN(2)), Protocol: corev1.ProtocolTCP}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodPhase(pick("Running", "Running", "Succeeded")), PodIP: pick("10.1.0.1", "10.1.0.2", "")}}
}

// nudge changes one thing of an object that is there.
func nudge(r *rand.Rand, s *kubetest.Server) {
	o := s.Get(someObject(r))
	if o == nil {
		return
	}
	o, other := o.DeepCopyObject(), someObject(r)
	m, _ := meta.Accessor(o)
	n, _ := meta.Accessor(other)
	switch r.IntN(4) {
	case 0:
		m.SetLabels(n.GetLabels())
	case 1:
		m.SetOwnerReferences(n.GetOwnerReferences())
	default:
		switch o := o.(type) {
		case *corev1.Pod:
			if other, is := other.(*corev1.Pod); is && r.IntN(2) == 0 {
				o.Spec.Containers = other.Spec.Containers
			} else if is {
				o.Status = other.Status
			}
			if r.IntN(2) == 0 {
				o.Status.Phase = corev1.PodPhase([]string{"Running", "Failed"}[r.IntN(2)])
			}
		case *corev1.Service:
			o.Spec.Selector = map[string]string{"app": []string{"x", "y", "z"}[r.IntN(3)]}
		}
	}
	s.Put(o)
}

// TestChangesEndWhereAStartDoes: after any changes the groups are those that a discovery has that starts then. So no use of an object is
// forgotten, and no change of it is taken for none.
func TestChangesEndWhereAStartDoes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	t.Setenv(NodeVariable, "n1")
	s := kubetest.New(t, kubetest.Options{})
	var texts []string
	path := s.Kubeconfig(t)
	for _, role := range []string{"pod", "node", "service", "endpoints", "endpointslice", "ingress"} {
		text := "{role: " + role + ", attach_metadata: {node: true, namespace: true, deployment: true, job: true, cronjob: true}, kubeconfig_file: " + path
		texts = append(texts, text+"}")
		if role != "ingress" && role != "node" {
			// Fetched namespaces are five minutes old, by design: not attached here.
			texts = append(texts, "{role: "+role+", own_node: true, attach_metadata: {node: true, deployment: true, job: true, cronjob: true}, kubeconfig_file: "+path+"}")
		}
	}
	ours := found(t.Context(), t, texts...)
	for range 200 {
		s.Put(someObject(r))
	}
	for round := range 16 {
		for range 4 { // few, or one change hides that another was missed
			if r.IntN(4) > 0 {
				nudge(r, s)
			} else if o := someObject(r); r.IntN(4) > 0 {
				s.Put(o)
			} else if s.Get(o) != nil {
				s.Delete(o)
			}
		}
		fresh := found(t.Context(), t, texts...)
		for i, text := range texts {
			eventually(t, func() error {
				if got, want := lines(ours[i]()), lines(fresh[i]()); got != want {
					return fmt.Errorf("round %d: %s:\n%s", round, text, firstDifference(got, want))
				}
				return nil
			})
		}
	}
}
