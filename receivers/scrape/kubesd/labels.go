package kubesd

import (
	"maps"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/util/strutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Labels of more than one role; the others stand beside their builders. All are Prometheus' (docs: kubernetes_sd_config).
const (
	prefix         = model.MetaLabelPrefix + "kubernetes_"
	namespaceLabel = prefix + "namespace"
	present        = model.LabelValue("true")
)

// mostNames bounds how many label names are remembered: keys of annotations may be made up without end.
const mostNames = 8192

// names are the label names of Kubernetes labels and annotations: all groups share the strings, and a rebuild makes none.
type names map[name]pair

type name struct{ of, key string } // of: "pod_label"

type pair struct{ value, present model.LabelName }

func (n names) get(of, key string) pair {
	id := name{of, key}
	p, is := n[id]
	if !is {
		if len(n) >= mostNames {
			clear(n)
		}
		clean := strutil.SanitizeLabelName(key)
		p = pair{model.LabelName(prefix + of + "_" + clean), model.LabelName(prefix + of + "present_" + clean)}
		n[id] = p
	}
	return p
}

// put adds a label for each key of a Kubernetes object's labels or annotations, and one that says that it is there. Where two keys
// give one name, the last in order wins, each time the same; in Prometheus it is any.
func (n names) put(into model.LabelSet, of string, from map[string]string) {
	clash := false
	for k, v := range from {
		p := n.get(of, k)
		_, has := into[p.present]
		clash = clash || has
		into[p.value], into[p.present] = model.LabelValue(v), present
	}
	if !clash {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(from)) {
		into[n.get(of, k).value] = model.LabelValue(from[k])
	}
}

// object adds the labels and annotations of an object, and its name where the role has a label for it.
func (b *builder) object(into model.LabelSet, o metav1.Object, role Role) {
	b.names.put(into, string(role)+"_label", o.GetLabels())
	b.names.put(into, string(role)+"_annotation", o.GetAnnotations())
}

func (b *builder) named(into model.LabelSet, o metav1.Object, role Role) {
	into[b.names.get(string(role), "name").value] = model.LabelValue(o.GetName())
	b.object(into, o, role)
}

// node adds the name, labels and annotations of a node, where attach_metadata asks for them. It reports whether the node is known.
func (b *builder) node(into model.LabelSet, name string) bool {
	if b.watches.nodes == nil || name == "" {
		return false
	}
	o, is := b.get(onNode, name).(metav1.Object)
	if is && into != nil {
		b.named(into, o, RoleNode)
	}
	return is
}

// namespace adds the labels and annotations of a namespace, where attach_metadata asks for them.
func (b *builder) namespace(into model.LabelSet, name string) {
	if f := b.watches.fetched; f != nil {
		b.uses(object{onNamespace, name})
		o := f.namespaces.Get("", name)
		if o == nil {
			b.late = b.late || !f.namespaces.Synced()
			o = f.namespaces.Get("", name) // it may have come just before
		}
		if o != nil {
			b.object(into, o, "namespace")
		}
		return
	}
	if b.watches.namespaces == nil {
		return
	}
	if o, is := b.get(onNamespace, name).(metav1.Object); is {
		b.object(into, o, "namespace")
	}
}

// controller is the owner that manages the object, or nil.
func controller(o metav1.Object) *metav1.OwnerReference { return metav1.GetControllerOfNoCopy(o) }

// sameMetadata reports whether labels come out the same; owners count too.
func sameMetadata(a, b metav1.Object) bool {
	return a.GetUID() == b.GetUID() && maps.Equal(a.GetLabels(), b.GetLabels()) && maps.Equal(a.GetAnnotations(), b.GetAnnotations()) &&
		slices.EqualFunc(a.GetOwnerReferences(), b.GetOwnerReferences(), func(x, y metav1.OwnerReference) bool {
			return x.UID == y.UID && x.Name == y.Name && x.Kind == y.Kind && (x.Controller != nil && *x.Controller) == (y.Controller != nil && *y.Controller)
		})
}
