// Package series says which kube_* series an object of Kubernetes has: names, labels and values as kube-state-metrics has them.
package series

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluiceio/sluice/kube"
)

// Kind is a kind of objects with the families that its objects have.
type Kind struct {
	Kind     kube.Kind
	Families []Family
	base     func([]byte, any) []byte
}

// Resource is how configurations name the kind: "pods", as kube-state-metrics does.
func (k *Kind) Resource() string { return k.Kind.Resource() }

// Base appends the labels that all series of an object have, for Each.
func (k *Kind) Base(dst []byte, o any) []byte { return k.base(dst, o) }

// Each gives p the series of family i of an object.
func (k *Kind) Each(i int, p *Points, base []byte, o any) {
	p.base = base
	k.Families[i].each(p, o)
}

// Family is the series of one name.
type Family struct {
	Name, Help string
	Counter    bool // else a gauge
	each       func(*Points, any)
}

// Select returns the kinds of these resources, without the families whose name skip reports; labels are the object labels that
// become series, by resource ("*": all).
func Select(resources []string, labels map[string][]string, skip func(name string) bool) []Kind {
	var out []Kind
	for _, k := range kinds() {
		if !slices.Contains(resources, k.Resource()) {
			continue
		}
		k.Families = slices.DeleteFunc(k.Families, func(f Family) bool { return skip(f.Name) })
		if keys := labels[k.Resource()]; len(keys) > 0 {
			k.Families = append(k.Families, labelsOf(k.Resource(), keys))
		}
		if len(k.Families) > 0 {
			out = append(out, k)
		}
	}
	return out
}

// Resources are the names of all kinds. Those that the receiver does not watch unless they are named come last.
func Resources() (usual, others []string) {
	for _, k := range kinds() {
		if name := k.Resource(); name == "endpoints" {
			others = append(others, name)
		} else {
			usual = append(usual, name)
		}
	}
	return usual, others
}

// Names are those of all families of a resource.
func Names(resource string) []string {
	var out []string
	for _, k := range kinds() {
		for _, f := range k.Families {
			if k.Resource() == resource {
				out = append(out, f.Name)
			}
		}
	}
	return out
}

func kinds() []Kind {
	return []Kind{
		pods(), nodes(), namespaces(),
		deployments(), replicaSets(), statefulSets(), daemonSets(), jobs(), cronJobs(),
		horizontalPodAutoscalers(), podDisruptionBudgets(), resourceQuotas(),
		persistentVolumes(), persistentVolumeClaims(),
		services(), ingresses(), endpoints(),
	}
}

// object is a kind's Go type.
type object interface {
	GetName() string
	GetNamespace() string
	GetUID() types.UID
	GetLabels() map[string]string
	GetOwnerReferences() []metav1.OwnerReference
	GetCreationTimestamp() metav1.Time
	GetDeletionTimestamp() *metav1.Time
	GetGeneration() int64
}

// kindOf makes a kind whose series all have the labels namespace (unless the object has none) and name.
func kindOf[O object](kind kube.Kind, name string, families ...Family) Kind {
	return Kind{Kind: kind, Families: families, base: func(dst []byte, o any) []byte {
		m := o.(O)
		return appendLabel(appendLabel(dst, "namespace", m.GetNamespace()), name, m.GetName())
	}}
}

// withUID adds the label uid to all series of a kind.
func withUID[O object](k Kind) Kind {
	base := k.base
	k.base = func(dst []byte, o any) []byte {
		return appendLabel(base(dst, o), "uid", string(o.(O).GetUID()))
	}
	return k
}

func family[O any](name, help string, each func(*Points, O)) Family {
	return Family{Name: name, Help: help, each: func(p *Points, o any) { each(p, o.(O)) }}
}

func counter[O any](name, help string, each func(*Points, O)) Family {
	f := family(name, help, each)
	f.Counter = true
	return f
}

// number is a family of one series without labels of its own.
func number[O any](name, help string, value func(O) float64) Family {
	return family(name, help, func(p *Points, o O) { p.Add(value(o)) })
}

// optional is number where value may have none.
func optional[O any, N int | int32 | int64](name, help string, value func(O) *N) Family {
	return family(name, help, func(p *Points, o O) {
		if v := value(o); v != nil {
			p.Add(float64(*v))
		}
	})
}

// instant is a family of one series that is a time in seconds since 1970.
func instant[O any](name, help string, value func(O) *metav1.Time) Family {
	return family(name, help, func(p *Points, o O) {
		if v := value(o); !v.IsZero() {
			p.Add(float64(v.Unix()))
		}
	})
}

func created[O object](prefix string) Family {
	return instant(prefix+"_created", "Unix creation timestamp", func(o O) *metav1.Time { t := o.GetCreationTimestamp(); return &t })
}

func deleted[O object](prefix string) Family {
	return instant(prefix+"_deletion_timestamp", "Unix deletion timestamp", func(o O) *metav1.Time { return o.GetDeletionTimestamp() })
}

func generation[O object](prefix string) Family {
	return number(prefix+"_metadata_generation", "Sequence number representing a specific generation of the desired state.", func(o O) float64 { return float64(o.GetGeneration()) })
}

func owners[O object](prefix, what string) Family {
	return family(prefix+"_owner", "Information about the "+what+"'s owner.", func(p *Points, o O) {
		all := o.GetOwnerReferences()
		if len(all) == 0 {
			p.Add(1)
		}
		for _, r := range all {
			p.Add(1, "owner_kind", r.Kind, "owner_name", r.Name, "owner_is_controller", text(r.Controller != nil && *r.Controller))
		}
	})
}

func text(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// conditionStates are the values of a condition, as labels.
var conditionStates = [...]string{"true", "false", "unknown"}

// conditionStatus are the values of a condition, as in objects.
var conditionStatus = [...]string{"True", "False", "Unknown"}
