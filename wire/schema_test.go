package wire

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// The tables agree with the descriptors of opentelemetry-proto, field by field and in both directions, so that a new
// version of it with new fields fails here instead of passing unchecked.
func TestSchemasMatchDescriptors(t *testing.T) {
	seen := map[message]bool{}
	for _, s := range []Signal{Metrics, Logs, Traces} {
		m, _ := root(s)
		matchDescriptor(t, m, newProto(s).ProtoReflect().Descriptor(), seen)
	}
	if len(seen) != int(messageCount)-1 {
		t.Errorf("%d of %d messages are reached from the requests", len(seen), messageCount-1)
	}
}

func matchDescriptor(t *testing.T, m message, d protoreflect.MessageDescriptor, seen map[message]bool) {
	if seen[m] {
		return
	}
	seen[m] = true
	known := 0
	for num := range slots {
		if schemas[m][num].kind() != kindUnknown {
			known++
		}
	}
	if known != d.Fields().Len() {
		t.Errorf("%s has %d fields, the table %d", d.FullName(), d.Fields().Len(), known)
	}
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		f := schemas[m][fd.Number()]
		want := wantRow(fd, f.sub())
		if fd.Message() != nil && f.sub() != msgNone {
			matchDescriptor(t, f.sub(), fd.Message(), seen)
			for _, k := range []message{msgNumberPoint, msgHistogramPoint, msgExponentialPoint, msgSummaryPoint,
				msgLogRecord, msgSpan} {
				if k == f.sub() {
					want = row(kindItem, f.sub(), TypeBytes, 0)
				}
			}
		}
		if f != want {
			t.Errorf("%s: the table says %x, the descriptor %x", fd.FullName(), f, want)
		}
		if name := fieldName(m, int(fd.Number())); name != string(fd.Name()) {
			t.Errorf("%s is called %q", fd.FullName(), name)
		}
	}
}

// wantRow says what row a descriptor asks for.
func wantRow(fd protoreflect.FieldDescriptor, sub message) field {
	slot := uint8(fd.Number())
	oneof := fd.ContainingOneof()
	if oneof != nil && !oneof.IsSynthetic() {
		for i := range oneof.Fields().Len() {
			slot = min(slot, uint8(oneof.Fields().Get(i).Number()))
		}
	} else {
		oneof = nil
	}
	if fd.IsList() && !fd.IsPacked() {
		slot = 0
	}
	switch fd.Kind() {
	case protoreflect.MessageKind:
		if oneof != nil {
			return row(kindMember, sub, TypeBytes, slot)
		}
		return row(kindMessage, sub, TypeBytes, slot)
	case protoreflect.StringKind:
		return row(kindString, 0, TypeBytes, slot)
	case protoreflect.BytesKind:
		switch fd.Name() {
		case "trace_id":
			return row(kindTraceID, 0, TypeBytes, slot)
		case "span_id", "parent_span_id":
			return row(kindSpanID, 0, TypeBytes, slot)
		}
		return row(kindBytes, 0, TypeBytes, slot)
	case protoreflect.Fixed32Kind:
		return row(kindFixed32, 0, TypeFixed32, slot)
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		if fd.IsPacked() {
			return row(kindPackedFixed, 0, TypeBytes, slot)
		}
		return row(kindFixed64, 0, TypeFixed64, slot)
	}
	if fd.IsPacked() {
		return row(kindPackedVarint, 0, TypeBytes, slot)
	}
	return row(kindVarint, 0, TypeVarint, slot)
}
