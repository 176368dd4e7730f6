package template

import (
	"encoding/binary"

	"github.com/prometheus/common/model"

	"github.com/sluiceio/sluice/wire"
)

// appendResource appends a target's framed Resource.
func appendResource(dst []byte, job, instance string) []byte {
	dst, mark := wire.BeginMessage(dst, wire.FieldResourceXResource)
	if job != "" {
		dst = wire.AppendStringAttribute(dst, wire.FieldResourceAttributes, "service.name", job)
	}
	if instance != "" {
		dst = wire.AppendStringAttribute(dst, wire.FieldResourceAttributes, "service.instance.id", instance)
	}
	return wire.EndMessage(dst, mark)
}

// appendScope appends a target's framed scope. Its attributes are the labels of every series, safe from changes to
// the resource.
func appendScope(dst []byte, name, job, instance string) []byte {
	dst, mark := wire.BeginMessage(dst, wire.FieldScopeXScope)
	dst = wire.AppendString(dst, wire.FieldScopeName, name)
	if job != "" {
		dst = wire.AppendStringAttribute(dst, wire.FieldScopeAttributes, model.JobLabel, job)
	}
	if instance != "" {
		dst = wire.AppendStringAttribute(dst, wire.FieldScopeAttributes, model.InstanceLabel, instance)
	}
	return wire.EndMessage(dst, mark)
}

func appendMetricHead(dst []byte, id metricID, f family) []byte {
	dst = wire.AppendString(dst, wire.FieldMetricName, id.name)
	if f.help != "" {
		dst = wire.AppendString(dst, wire.FieldMetricDescription, f.help)
	}
	if f.unit != "" {
		dst = wire.AppendString(dst, wire.FieldMetricUnit, f.unit)
	}
	return wire.AppendStringAttribute(dst, wire.FieldMetricMetadata, "prometheus.type", typeNames[id.code])
}

func metricName(head []byte) string {
	n, k := binary.Uvarint(head[1:])
	return string(head[1+k : 1+k+int(n)])
}
