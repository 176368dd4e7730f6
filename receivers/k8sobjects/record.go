package k8sobjects

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/wire"
)

const scopeName = "github.com/sluiceio/sluice/receivers/k8sobjects"

// record is an object, or a change of one.
type record struct {
	change           string // ADDED, MODIFIED, DELETED; empty: of a pull
	header           header
	kind, apiVersion string // where the object does not say it
	object           json.RawMessage
}

// writer makes records with the Collector's names.
type writer struct{ scope []byte }

func newWriter(version string) writer {
	scope := wire.AppendString(nil, wire.FieldScopeName, scopeName)
	if version != "" {
		scope = wire.AppendString(scope, wire.FieldScopeVersion, version)
	}
	return writer{wire.AppendBytes(nil, wire.FieldScopeXScope, scope)}
}

// request has a resource for each run of records of one namespace.
func (w writer) request(records []record, resource string, now time.Time) wire.Request {
	var b []byte
	for len(records) > 0 {
		namespace, n := records[0].header.Metadata.Namespace, 1
		for n < len(records) && records[n].header.Metadata.Namespace == namespace {
			n++
		}
		var outer, inner int
		b, outer = wire.BeginMessage(b, wire.FieldRequestResource)
		var attributes []byte
		if namespace != "" {
			attributes = wire.AppendStringAttribute(nil, wire.FieldResourceAttributes, "k8s.namespace.name", namespace)
		}
		b = wire.AppendBytes(b, wire.FieldResourceXResource, attributes)
		b, inner = wire.BeginMessage(b, wire.FieldResourceXScope)
		b = append(b, w.scope...)
		for i := range records[:n] {
			b = appendRecord(b, &records[i], resource, now)
		}
		b = wire.EndMessage(wire.EndMessage(b, inner), outer)
		records = records[n:]
	}
	return b
}

func appendRecord(b []byte, r *record, resource string, now time.Time) []byte {
	b, mark := wire.BeginMessage(b, wire.FieldScopeXItem)
	b, body := wire.BeginMessage(b, wire.FieldLogBody)
	if r.change == "" {
		b = appendObject(b, r)
	} else {
		var whole, entry, value int
		b, whole = wire.BeginMessage(b, wire.FieldValueMap)
		b, entry = wire.BeginMessage(b, wire.FieldMapValues)
		b = wire.AppendString(b, wire.FieldKeyValueKey, "type")
		b = wire.AppendValue(b, wire.FieldKeyValueValue, wire.StringValue(r.change))
		b = wire.EndMessage(b, entry)
		b, entry = wire.BeginMessage(b, wire.FieldMapValues)
		b = wire.AppendString(b, wire.FieldKeyValueKey, "object")
		b, value = wire.BeginMessage(b, wire.FieldKeyValueValue)
		b = appendObject(b, r)
		b = wire.EndMessage(wire.EndMessage(wire.EndMessage(b, value), entry), whole)
	}
	b = wire.EndMessage(b, body)
	b = wire.AppendStringAttribute(b, wire.FieldLogAttributes, "k8s.resource.name", resource)
	if name := r.header.Metadata.Name; r.change != "" && name != "" {
		b = wire.AppendStringAttribute(b, wire.FieldLogAttributes, "event.domain", "k8s")
		b = wire.AppendStringAttribute(b, wire.FieldLogAttributes, "event.name", name)
	}
	b = wire.AppendFixed64(b, wire.FieldLogObservedTime, uint64(now.UnixNano()))
	return wire.EndMessage(b, mark)
}

// appendObject appends the body of a value: the object as a map. It was read as JSON before.
func appendObject(b []byte, r *record) []byte {
	from := len(b)
	b, whole := wire.BeginMessage(b, wire.FieldValueMap)
	for _, a := range [][2]string{{"apiVersion", r.apiVersion}, {"kind", r.kind}} {
		if a[1] != "" {
			b = wire.AppendStringAttribute(b, wire.FieldMapValues, a[0], a[1])
		}
	}
	d := json.NewDecoder(bytes.NewReader(r.object))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return wire.AppendString(b[:from], wire.FieldValueString, string(bytes.ToValidUTF8(r.object, []byte("�"))))
	}
	b, err := appendEntries(b, d, deepest)
	if err != nil {
		return wire.AppendString(b[:from], wire.FieldValueString, string(bytes.ToValidUTF8(r.object, []byte("�"))))
	}
	return wire.EndMessage(b, whole)
}

// deepest is how many maps and lists there are in each other inside an object before what is deeper becomes its JSON text: OTLP ends at 32, and a
// change has two around. Schemas of custom resources get there.
const deepest = wire.MaxDepth - 2

// appendEntries appends the entries of a map up to its end.
func appendEntries(b []byte, d *json.Decoder, depth int) ([]byte, error) {
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return b, err
		}
		b2, entry := wire.BeginMessage(b, wire.FieldMapValues)
		name, _ := key.(string)
		b2 = wire.AppendString(b2, wire.FieldKeyValueKey, name)
		if b, err = appendValue(b2, wire.FieldKeyValueValue, d, depth); err != nil {
			return b, err
		}
		b = wire.EndMessage(b, entry)
	}
	_, err := d.Token()
	return b, err
}

// appendValue appends the next value as a field.
func appendValue(b []byte, field int, d *json.Decoder, depth int) ([]byte, error) {
	if depth == 0 {
		var text json.RawMessage
		if err := d.Decode(&text); err != nil {
			return b, err
		}
		if text[0] == '{' || text[0] == '[' {
			return wire.AppendValue(b, field, wire.StringValue(bytes.ToValidUTF8(text, []byte("�")))), nil
		}
		d = json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
	}
	t, err := d.Token()
	if err != nil {
		return b, err
	}
	switch t := t.(type) {
	case string:
		return wire.AppendValue(b, field, wire.StringValue(t)), nil
	case bool:
		return wire.AppendValue(b, field, wire.BoolValue(t)), nil
	case json.Number:
		if n, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return wire.AppendValue(b, field, wire.IntValue(n)), nil
		}
		f, err := t.Float64()
		return wire.AppendValue(b, field, wire.DoubleValue(f)), err
	case json.Delim:
		container := wire.FieldValueMap
		if t == '[' {
			container = wire.FieldValueArray
		}
		b, mark := wire.BeginMessage(b, field)
		b, inner := wire.BeginMessage(b, container)
		if t == '{' {
			b, err = appendEntries(b, d, depth-1)
		} else {
			for err == nil && d.More() {
				b, err = appendValue(b, wire.FieldArrayValues, d, depth-1)
			}
			if err == nil {
				_, err = d.Token()
			}
		}
		if err != nil {
			return b, err
		}
		return wire.EndMessage(wire.EndMessage(b, inner), mark), nil
	}
	return wire.AppendBytes(b, field, nil), nil // null, as an empty value
}
