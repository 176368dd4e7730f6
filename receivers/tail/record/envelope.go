package record

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/wire"
)

const scopeName = "github.com/sluiceio/sluice/receivers/tail"

// Envelope is the encoded Resource and InstrumentationScope, with framing, that all records of one file share.
type Envelope struct{ around wire.Envelope }

// lengthMax is the most bytes of a nested message's length; 5 bytes hold 32 GiB.
const lengthMax = 5

// Room returns how many bytes seal may write before the records.
func (e *Envelope) Room() int {
	return 2*(1+lengthMax) + len(e.around.Resource) + len(e.around.Scope)
}

// Size returns the size of a request with size bytes of framed records.
func (e *Envelope) Size(size int) int { return e.around.Size(size) }

// Append appends the envelope; size bytes of framed records follow.
func (e *Envelope) Append(dst []byte, size int) []byte { return e.around.Append(dst, size) }

// seal writes the envelope of buf[room:] so that it ends at room, and returns the whole request.
func (e *Envelope) seal(buf []byte, room int) wire.Request {
	items := len(buf) - room
	start := len(buf) - e.around.Size(items)
	head := e.around.Append(buf[start:start:room], items)
	if len(head) != room-start {
		panic("BUG: an envelope is not as long as computed")
	}
	return wire.Request(buf[start:])
}

// Origin is what the envelopes of all files of a receiver share.
type Origin struct {
	Host       string
	Service    string            // the service_name key; empty: from the path
	Attributes map[string]string // the attributes key; wins over everything
	Version    string
}

// Envelope encodes the envelope of a file. path is the path at which the file was first found: rotation does not change its
// attributes. pod is the pod's log that is a link to it, on a node with Docker; usually empty.
func (o Origin) Envelope(path, pod string) *Envelope {
	attrs := pathAttributes(cmp.Or(pod, path), o.Service)
	if pod != "" {
		attrs["log.file.path_resolved"] = path
	}
	if id := dockerID(path); id != "" {
		attrs["container.id"] = id
	}
	attrs["host.name"] = o.Host
	maps.Copy(attrs, o.Attributes)

	var resource []byte
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		if v := attrs[key]; v != "" {
			resource = wire.AppendStringAttribute(resource, wire.FieldResourceAttributes, strings.ToValidUTF8(key, "\uFFFD"), strings.ToValidUTF8(v, "\uFFFD"))
		}
	}
	scope := wire.AppendString(nil, wire.FieldScopeName, scopeName)
	if o.Version != "" {
		scope = wire.AppendString(scope, wire.FieldScopeVersion, o.Version)
	}
	return &Envelope{wire.Envelope{
		Resource: wire.AppendBytes(nil, wire.FieldResourceXResource, resource),
		Scope:    wire.AppendBytes(nil, wire.FieldScopeXScope, scope),
	}}
}

// pathAttributes returns the attributes that follow from the path.
func pathAttributes(path, service string) map[string]string {
	attrs := map[string]string{
		"log.file.path": path,
		"log.file.name": filepath.Base(path),
	}
	pod, ok := parsePodPath(path)
	switch {
	case ok:
		attrs["k8s.namespace.name"] = pod.namespace
		attrs["k8s.pod.name"] = pod.name
		attrs["k8s.pod.uid"] = pod.uid
		attrs["k8s.container.name"] = pod.container
		attrs["k8s.container.restart_count"] = pod.restarts
		attrs["service.name"] = pod.container
	case service != "":
		attrs["service.name"] = service
	default:
		attrs["service.name"] = serviceOf(path)
	}
	return attrs
}

// podPath is what the kubelet encodes into the path of a container log.
type podPath struct {
	namespace, name, uid, container, restarts string
}

// parsePodPath parses .../pods/<namespace>_<pod>_<uid>/<container>/<restarts>.log. Namespace and pod names cannot contain an
// underscore.
func parsePodPath(path string) (podPath, bool) {
	parts := strings.Split(path, string(filepath.Separator))
	if len(parts) < 4 || parts[len(parts)-4] != "pods" {
		return podPath{}, false
	}
	pod := strings.Split(parts[len(parts)-3], "_")
	restarts, isLog := strings.CutSuffix(parts[len(parts)-1], ".log")
	if len(pod) != 3 || slices.Contains(pod, "") || !isLog || restarts == "" || strings.Trim(restarts, "0123456789") != "" {
		return podPath{}, false
	}
	return podPath{namespace: pod[0], name: pod[1], uid: pod[2], container: parts[len(parts)-2], restarts: restarts}, true
}

// IsPodLog reports whether path is a container log, current or rotated: its content is CRI or, behind a link, Docker's.
func IsPodLog(path string) bool {
	parts := strings.Split(path, string(filepath.Separator))
	if len(parts) < 4 {
		return false
	}
	base := parts[len(parts)-1]
	if number, _, ok := strings.Cut(base, ".log"); ok {
		base = number + ".log"
	}
	parts[len(parts)-1] = base
	_, ok := parsePodPath(strings.Join(parts, string(filepath.Separator)))
	return ok
}

// NamespaceOf returns the namespace in the path of a container log, current or rotated.
func NamespaceOf(path string) (namespace string, ok bool) {
	pod := filepath.Dir(filepath.Dir(path))
	if filepath.Base(filepath.Dir(pod)) != "pods" {
		return "", false
	}
	pod = filepath.Base(pod)
	namespace, _, ok = strings.Cut(pod, "_")
	return namespace, ok && strings.Count(pod, "_") == 2
}

// PodUIDOf returns the uid in the path of a container log, current or rotated.
func PodUIDOf(path string) (uid string, ok bool) {
	if _, ok := NamespaceOf(path); !ok {
		return "", false
	}
	pod := filepath.Base(filepath.Dir(filepath.Dir(path)))
	return pod[strings.LastIndexByte(pod, '_')+1:], true
}

// dockerID returns the container's id from the path of Docker's json-file driver, <id>/<id>-json.log, rotated or not.
func dockerID(path string) string {
	id, rest, ok := strings.Cut(filepath.Base(path), "-json.log")
	if !ok || len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" || filepath.Base(filepath.Dir(path)) != id || rest != "" && rest[0] != '.' {
		return ""
	}
	return id
}

// dockerIDShown is how much of an id Docker shows.
const dockerIDShown = 12

// serviceOf returns the base name without extension, rotation number and date: access for /var/log/nginx/access.log.1 and
// access-20260101.log. "current" is named after its folder. If nothing would remain, it returns the whole base name.
func serviceOf(path string) string {
	base := filepath.Base(path)
	if base == "current" { // svlogd, multilog: the folder is named after the service
		if dir := filepath.Base(filepath.Dir(path)); dir != "." && dir != "/" {
			return dir
		}
	}
	if id := dockerID(path); id != "" {
		return id[:dockerIDShown]
	}
	name := strings.TrimRight(base, "0123456789.-_")
	name = strings.TrimSuffix(name, ".log")
	name = strings.TrimRight(name, "0123456789.-_")
	if name == "" {
		return base
	}
	return name
}
