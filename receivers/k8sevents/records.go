package k8sevents

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluiceio/sluice/wire"
)

const scopeName = "github.com/sluiceio/sluice/receivers/k8sevents"

// severities are the Collector's.
var severities = map[string]uint64{"normal": 9, "warning": 13, "error": 17, "critical": 21}

// writer makes records with the Collector's names, without those that are empty.
type writer struct{ scope []byte }

func newWriter(version string) writer {
	scope := wire.AppendString(nil, wire.FieldScopeName, scopeName)
	if version != "" {
		scope = wire.AppendString(scope, wire.FieldScopeVersion, version)
	}
	return writer{wire.AppendBytes(nil, wire.FieldScopeXScope, scope)}
}

// request has a resource for each event: the object that it is about.
func (w writer) request(events []*corev1.Event, now time.Time) wire.Request {
	var b []byte
	for _, e := range events {
		var resource, scope int
		b, resource = wire.BeginMessage(b, wire.FieldRequestResource)
		b = wire.AppendBytes(b, wire.FieldResourceXResource, object(e))
		b, scope = wire.BeginMessage(b, wire.FieldResourceXScope)
		b = append(b, w.scope...)
		b = record(b, e, now)
		b = wire.EndMessage(wire.EndMessage(b, scope), resource)
	}
	return b
}

func object(e *corev1.Event) []byte {
	var b []byte
	o := &e.InvolvedObject
	for _, a := range [][2]string{
		{"k8s.node.name", e.Source.Host}, {"k8s.object.kind", o.Kind}, {"k8s.object.name", o.Name}, {"k8s.object.uid", string(o.UID)},
		{"k8s.object.fieldpath", o.FieldPath}, {"k8s.object.api_version", o.APIVersion}, {"k8s.object.resource_version", o.ResourceVersion},
	} {
		if a[1] != "" {
			b = wire.AppendStringAttribute(b, wire.FieldResourceAttributes, a[0], valid(a[1]))
		}
	}
	return b
}

func record(b []byte, e *corev1.Event, now time.Time) []byte {
	b, mark := wire.BeginMessage(b, wire.FieldScopeXItem)
	if at := timeOf(e); !at.IsZero() {
		b = wire.AppendFixed64(b, wire.FieldLogTime, uint64(at.UnixNano()))
	}
	if n := severities[strings.ToLower(e.Type)]; n != 0 {
		b = wire.AppendUint(b, wire.FieldLogSeverityNumber, n)
		b = wire.AppendString(b, wire.FieldLogSeverityText, e.Type)
	}
	b = wire.AppendValue(b, wire.FieldLogBody, wire.StringValue(valid(e.Message)))
	for _, a := range [][2]string{
		{"k8s.event.reason", e.Reason}, {"k8s.event.action", e.Action}, {"k8s.event.start_time", e.CreationTimestamp.String()},
		{"k8s.event.name", e.Name}, {"k8s.event.uid", string(e.UID)}, {"k8s.namespace.name", e.InvolvedObject.Namespace},
	} {
		if a[1] != "" {
			b = wire.AppendStringAttribute(b, wire.FieldLogAttributes, a[0], valid(a[1]))
		}
	}
	count := int64(e.Count)
	if e.Series != nil && count == 0 {
		count = int64(e.Series.Count)
	}
	if count != 0 {
		b = wire.AppendIntAttribute(b, wire.FieldLogAttributes, "k8s.event.count", count)
	}
	b = wire.AppendFixed64(b, wire.FieldLogObservedTime, uint64(now.UnixNano()))
	return wire.EndMessage(b, mark)
}

// timeOf is the last time that the event happened.
func timeOf(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return e.Series.LastObservedTime.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	}
	return e.FirstTimestamp.Time
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
