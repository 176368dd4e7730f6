package k8sattributes

import (
	"cmp"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/wire"
)

// pass is one way over the resources of a request.
type pass struct {
	processor *Processor
	peer      string // empty if it says nothing
	own       bool   // the request comes from a receiver of this process that reads files or scrapes
	key       []byte // scratch

	unknown string          // a pod that is not known
	late    map[string]bool // resources of files whose pod may still come
	without [reasons]uint32
}

// edit appends a resource with the attributes of its pod.
func (p *pass) edit(dst, resource []byte) ([]byte, bool) {
	key := resource
	if p.peer != "" {
		p.key = append(append(append(p.key[:0], p.peer...), 0), resource...)
		key = p.key
	}
	r := p.processor.results.get(key)
	if r == nil || !p.processor.holds(r) {
		r = p.processor.enrich(&identity{resource, p.peer})
		if r.reason != notSynced {
			p.processor.results.put(key, r)
		}
	}
	if r.reason != found {
		p.miss(r, resource)
	}
	if !r.changed {
		return dst, false
	}
	return append(dst, r.bytes...), true
}

func (p *pass) miss(r *result, resource []byte) {
	why := r.reason
	if why == unknownPod {
		p.unknown = r.key
		if p.own && r.file {
			if p.processor.unknowns.gone(r.key) {
				why = gone
			} else if p.processor.config.Filter.oneNode() {
				if p.late == nil {
					p.late = map[string]bool{}
				}
				p.late[string(resource)] = true
			}
		}
	}
	p.without[why]++
}

// count adds up what the pass met.
func (p *pass) count() {
	for why, n := range p.without {
		if n > 0 {
			p.processor.metrics.counters[why].Add(float64(n))
		}
	}
}

// holds reports whether a result is what would come out now.
func (p *Processor) holds(r *result) bool {
	switch {
	case p.index == nil:
		return true
	case r.entry != nil && r.entry.Revision.Load() != r.revision:
		return false
	case r.bound && p.index.Version() != r.version:
		return false
	}
	return p.objects.version() == r.objects
}

// enrich makes the resource that goes on. Versions are read before what they are of: what changes meanwhile makes the
// result stale.
func (p *Processor) enrich(id *identity) *result {
	var add attributes
	if p.index == nil {
		add.set("k8s.pod.ip", cmp.Or(id.value(Source{Name: "ip"}), id.peer, id.value(Source{Name: "host.name"})))
		r := &result{}
		r.bytes, r.changed = merge(id.resource, &add)
		return r
	}
	r := &result{version: p.index.Version(), objects: p.objects.version()}
	f := p.ways.find(p.index, id)
	r.entry, r.key, r.bound = f.entry, f.key, !f.settled || f.entry == nil
	namespace, node := id.text("k8s.namespace.name"), id.text("k8s.node.name")
	switch {
	case f.entry != nil:
		r.revision = f.revision
		pod := f.pod
		if f.connected {
			p.unknowns.came(f.key)
		}
		if p.rules.excludes(pod) {
			r.reason = excluded
			break
		}
		p.addPod(&add, pod, id)
		namespace, node = pod.Namespace, pod.Node
	case !p.index.Synced():
		r.reason = notSynced
	case f.key == "":
		r.reason = noIdentity
	default:
		r.reason = unknownPod
		r.file = id.text("log.file.path") != ""
	}
	if f.connected && p.rules.metadata["k8s.pod.ip"] {
		add.set("k8s.pod.ip", id.peer) // of a pod's several, the one that it used
	}
	if r.reason != excluded {
		p.rules.places(&add, p.objects, namespace, node)
		if p.rules.metadata["service.namespace"] && !add.has("service.namespace") {
			add.set("service.namespace", namespace)
		}
	}
	r.bytes, r.changed = merge(id.resource, &add)
	return r
}

func (p *Processor) addPod(add *attributes, pod *kube.Pod, id *identity) {
	p.rules.pod(add, pod)
	p.rules.container(add, pod, id)
	p.rules.cluster(add, p.objects)
	p.rules.owners(add, p.objects, pod)
	// The tail names a service by its container, for want of a better name: the last in OpenTelemetry's order.
	if name := id.text("service.name"); name != "" && name == id.text("k8s.container.name") && id.text("log.file.path") != "" {
		add.replace = "service.name"
	}
}

// merge is a resource with what is added: only what it does not have, or has empty. If nothing is added, it is not changed.
func merge(resource []byte, add *attributes) (out []byte, changed bool) {
	var missing []attribute
	for _, a := range add.list {
		v, have := wire.ResourceAttributes(resource).Find(a.key)
		if !have || a.key == add.replace || v.Kind() == wire.ValueString && len(v.Str()) == 0 || v.Kind() == 0 {
			missing = append(missing, a)
		}
	}
	if len(missing) == 0 {
		return nil, false
	}
	out = make([]byte, 0, len(resource)+64*len(missing))
	for f := wire.MessageFields(resource); f.Next(); {
		if f.Number() == wire.FieldResourceAttributes {
			key, _ := wire.ParseKeyValue(f.Body())
			if contains(missing, key) {
				continue
			}
		}
		out = append(out, f.Framed()...)
	}
	for _, a := range missing {
		if !a.isList {
			out = wire.AppendStringAttribute(out, wire.FieldResourceAttributes, a.key, a.value)
			continue
		}
		var entry, value, list int
		out, entry = wire.BeginMessage(out, wire.FieldResourceAttributes)
		out = wire.AppendString(out, wire.FieldKeyValueKey, a.key)
		out, value = wire.BeginMessage(out, wire.FieldKeyValueValue)
		out, list = wire.BeginMessage(out, wire.FieldValueArray)
		out = wire.AppendValue(out, wire.FieldArrayValues, wire.StringValue(a.value))
		out = wire.EndMessage(wire.EndMessage(wire.EndMessage(out, list), value), entry)
	}
	return out, true
}

func contains(list []attribute, key []byte) bool {
	for i := range list {
		if list[i].key == string(key) {
			return true
		}
	}
	return false
}
