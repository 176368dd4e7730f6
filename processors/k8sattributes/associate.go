package k8sattributes

import (
	"net/netip"
	"slices"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// identity is what says whose a resource is.
type identity struct {
	resource []byte // a view
	peer     string // the address that the request came from; empty if it says nothing
}

// text is an attribute as text; a number too, as an agent may write a count of restarts as one.
func (id *identity) text(key string) string {
	v, _ := wire.ResourceAttributes(id.resource).Find(key)
	switch v.Kind() {
	case wire.ValueString:
		return string(v.Str())
	case wire.ValueInt:
		return string(v.AppendText(nil))
	}
	return ""
}

// value is what a source says, or empty.
func (id *identity) value(s Source) string {
	if s.From == fromConnection {
		return id.peer
	}
	v := id.text(s.Name)
	if s.Name == "host.name" || s.Name == "ip" || s.Name == "k8s.pod.ip" {
		return address(v)
	}
	return v
}

// address is an IP address in its usual form, or empty.
func address(s string) string {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// peer is the address of who sent a request, if it can be a pod's: one of our own agents speaks for others.
func peer(o pipeline.Origin) string {
	if o.Peer == "" || o.Relayed {
		return ""
	}
	at, err := netip.ParseAddrPort(o.Peer)
	if err != nil || at.Addr().IsLoopback() {
		return ""
	}
	return at.Addr().Unmap().WithZone("").String()
}

func attributeSources(names ...string) Association {
	var a Association
	for _, name := range names {
		a.Sources = append(a.Sources, Source{From: fromAttribute, Name: name})
	}
	return a
}

// defaultWays are used where the file has none. The Collector's default has the addresses only.
var defaultWays = []Association{
	attributeSources("k8s.pod.uid"),
	attributeSources("container.id"),
	attributeSources("k8s.pod.ip"),
	attributeSources("ip"),
	attributeSources("k8s.namespace.name", "k8s.pod.name"),
	{Sources: []Source{{From: fromConnection}}},
	attributeSources("host.name"),
}

// ways find the pod of a resource.
type ways struct {
	list       []Association
	connection bool // some way uses the connection
	rules      *rules
	namespace  string // that is watched, if only one is
}

func newWays(c *Config, r *rules) ways {
	list := c.Association
	if len(list) == 0 {
		list = defaultWays
	}
	w := ways{list: list, rules: r, namespace: c.Filter.Namespace}
	w.connection = slices.ContainsFunc(list, func(a Association) bool { return a.connected() })
	return w
}

// A finding is what ways found.
type finding struct {
	entry     *kube.Entry // nil: nothing
	pod       *kube.Pod   // what it was at the revision, or later
	revision  uint64
	key       string // what named the pod in the first way that could; empty if nothing did
	connected bool   // the connection's address is the pod's, or that of one that is not known
	settled   bool   // no other pod can be found while the entry is as it is
}

// find tries the ways in order. A pod that contradicts what the resource says of itself is not the one.
func (w *ways) find(index *kube.Index, id *identity) (f finding) {
	f.settled = true
	for i := range w.list {
		way := &w.list[i]
		values := make([]string, 0, maxSources)
		for _, s := range way.Sources {
			v := id.value(s)
			if v == "" {
				break
			}
			values = append(values, v)
		}
		if len(values) < len(way.Sources) {
			continue
		}
		connected := way.connected()
		if f.key == "" {
			f.key, f.connected = key(way, values), connected
		}
		e, direct := w.candidate(index, way, values)
		if e != nil {
			revision := e.Revision.Load() // before the pod
			switch pod := e.Pod(); {
			case connected && e.Deleted(): // whoever connects now has the address after it
			case w.agrees(pod, way, values) && !contradicts(pod, id):
				f.entry, f.pod, f.revision, f.connected = e, pod, revision, connected
				f.settled = f.settled && direct
				return f
			case connected:
				f.connected = false // the resource is of another pod
			}
		}
		f.settled = false
	}
	return f
}

// connected reports whether a way uses the connection.
func (a *Association) connected() bool {
	return slices.ContainsFunc(a.Sources, func(s Source) bool { return s.From == fromConnection })
}

func key(way *Association, values []string) string {
	out := ""
	for i, s := range way.Sources {
		out += s.From + "\x00" + s.Name + "\x00" + values[i] + "\x00"
	}
	return out
}

// candidate finds a pod by the first source that the index knows, else by looking at every pod: then only one may agree.
func (w *ways) candidate(index *kube.Index, way *Association, values []string) (e *kube.Entry, direct bool) {
	name, namespace := "", w.namespace
	for i, s := range way.Sources {
		switch {
		case s.From == fromConnection, s.Name == "k8s.pod.ip", s.Name == "ip", s.Name == "host.name":
			return index.ByIP(values[i]), true
		case s.Name == "k8s.pod.uid":
			return index.ByUID(values[i]), true
		case s.Name == "container.id":
			return index.ByContainer(values[i]), true
		case s.Name == "k8s.pod.name":
			name = values[i]
		case s.Name == "k8s.namespace.name":
			namespace = values[i]
		}
	}
	if name != "" && namespace != "" {
		return index.ByName(namespace, name), true
	}
	several := false
	index.Range(func(o *kube.Entry) bool {
		if o != e && w.agrees(o.Pod(), way, values) {
			several = e != nil
			e = o
		}
		return !several
	})
	if several {
		return nil, false
	}
	return e, false
}

// agrees reports whether a pod has all values of a way.
func (w *ways) agrees(p *kube.Pod, way *Association, values []string) bool {
	for i, s := range way.Sources {
		if !w.has(p, s, values[i]) {
			return false
		}
	}
	return true
}

func (w *ways) has(p *kube.Pod, s Source, value string) bool {
	switch {
	case s.From == fromConnection, s.Name == "k8s.pod.ip", s.Name == "ip", s.Name == "host.name":
		return slices.ContainsFunc(p.IPs, func(ip string) bool { return address(ip) == value })
	case s.Name == "k8s.pod.uid":
		return p.UID == value || p.ConfigHash == value
	case s.Name == "container.id":
		return slices.ContainsFunc(p.Containers, func(c kube.Container) bool {
			return c.ID == value || slices.Contains(c.Earlier, value)
		})
	case s.Name == "k8s.pod.name":
		return p.Name == value
	case s.Name == "k8s.namespace.name":
		return p.Namespace == value
	case s.Name == "k8s.node.name":
		return p.Node == value
	}
	var a attributes
	w.rules.pod(&a, p)
	return slices.ContainsFunc(a.list, func(x attribute) bool { return x.key == s.Name && x.value == value })
}

// contradicts reports whether the resource names another pod.
func contradicts(p *kube.Pod, id *identity) bool {
	if uid := id.text("k8s.pod.uid"); uid != "" && uid != p.UID && uid != p.ConfigHash {
		return true
	}
	if name := id.text("k8s.pod.name"); name != "" && name != p.Name {
		return true
	}
	namespace := id.text("k8s.namespace.name")
	return namespace != "" && namespace != p.Namespace
}
