package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A pdataRequest is what the three pdata export requests have in common.
type pdataRequest interface {
	UnmarshalProto([]byte) error
	MarshalProto() ([]byte, error)
}

func newPdata(s Signal) pdataRequest {
	switch s {
	case Metrics:
		return pmetricotlp.NewExportRequest()
	case Logs:
		return plogotlp.NewExportRequest()
	}
	return ptraceotlp.NewExportRequest()
}

func newProto(s Signal) proto.Message {
	switch s {
	case Metrics:
		return &colmetrics.ExportMetricsServiceRequest{}
	case Logs:
		return &collogs.ExportLogsServiceRequest{}
	}
	return &coltrace.ExportTraceServiceRequest{}
}

func pdataItems(p pdataRequest) int {
	switch p := p.(type) {
	case pmetricotlp.ExportRequest:
		return p.Metrics().DataPointCount()
	case plogotlp.ExportRequest:
		return p.Logs().LogRecordCount()
	case ptraceotlp.ExportRequest:
		return p.Traces().SpanCount()
	}
	return -1
}

func marshal(t testing.TB, p pdataRequest) []byte {
	t.Helper()
	b, err := p.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mustCheck returns a body as a Request.
func mustCheck(t testing.TB, s Signal, body []byte) Request {
	t.Helper()
	r, _, err := Check(s, body, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// onlyWire reports whether a refusal is on the closed list of what pdata would have let pass.
func onlyWire(err error) bool {
	return errors.Is(err, ErrTooDeep) || errors.Is(err, ErrGroup) || errors.Is(err, ErrFieldNumber)
}

// compare holds Check against the oracles for one body: pdata decides what is accepted and what it means, the
// protobuf library must take everything that Check let through. It returns the canonical request, or nil.
func compare(t testing.TB, s Signal, body []byte) (_ Request, accepted bool) {
	t.Helper()
	sent := bytes.Clone(body)
	r, info, err := Check(s, body, Limits{})
	if !bytes.Equal(body, sent) {
		t.Fatal("Check modified the body")
	}
	want := newPdata(s)
	pdataErr := want.UnmarshalProto(body)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) || e.Signal != s || e.Offset < 0 || e.Offset > len(body) || e.Err == nil {
			t.Fatalf("not a complete *Error: %#v", err)
		}
		if pdataErr == nil && !onlyWire(err) {
			t.Fatalf("pdata accepts what Check refuses: %v\n%x", err, body)
		}
		return nil, false
	}
	if pdataErr != nil {
		t.Fatalf("Check accepts what pdata refuses: %v\n%x", pdataErr, body)
	}
	if !info.Canonicalized && (len(r) != len(body) || len(r) > 0 && &r[0] != &body[0]) {
		t.Fatal("a request that was not rewritten is not the body itself")
	}
	compareCanonical(t, s, r, info, want)
	return r, true
}

// compareCanonical checks the properties of an accepted request.
func compareCanonical(t testing.TB, s Signal, r Request, info Info, want pdataRequest) {
	t.Helper()
	again, info2, err := Check(s, r, Limits{})
	if err != nil || info2.Canonicalized || !bytes.Equal(again, r) || info2.Items != info.Items {
		t.Fatalf("canonical form is not stable: %v %+v\n%x", err, info2, r)
	}
	got := newPdata(s)
	if err := got.UnmarshalProto(r); err != nil {
		t.Fatalf("pdata refuses the canonical form: %v\n%x", err, r)
	}
	if n := pdataItems(got); n != info.Items || n != Count(s, r) {
		t.Fatalf("pdata counts %d items, Check %d, Count %d", n, info.Items, Count(s, r))
	}
	p := newProto(s)
	wanted, changed := repairStrings(marshal(t, want), p.ProtoReflect().Descriptor())
	if have := marshal(t, got); !bytes.Equal(have, wanted) {
		t.Fatalf("values differ:\n got %x\nwant %x", have, wanted)
	}
	if changed != info.RepairedStrings {
		t.Fatalf("%d strings repaired, Info says %d", changed, info.RepairedStrings)
	}
	if err := proto.Unmarshal(r, p); err != nil {
		t.Fatalf("protobuf refuses the canonical form: %v\n%x", err, r)
	}
	if have, want := dumpWire(s, r), dumpPdata(got); have != want {
		i := 0
		for i < min(len(have), len(want)) && have[i] == want[i] {
			i++
		}
		i = max(i-40, 0)
		t.Fatalf("cursors and pdata read differently:\ncursors %.200s\npdata   %.200s", have[i:], want[i:])
	}
}

// repairStrings repairs every string field of a message by the descriptors of the protobuf library: a second
// opinion on which fields are strings. It returns how many it changed.
func repairStrings(b []byte, d protoreflect.MessageDescriptor) ([]byte, int) {
	var out []byte
	n := 0
	for len(b) > 0 {
		num, typ, size := protowire.ConsumeTag(b)
		f := d.Fields().ByNumber(num)
		value := b[size : size+protowire.ConsumeFieldValue(num, typ, b[size:])]
		if f != nil && typ == protowire.BytesType && (f.Kind() == protoreflect.StringKind || f.Message() != nil) {
			body, _ := protowire.ConsumeBytes(value)
			changed := 0
			if f.Message() != nil {
				body, changed = repairStrings(body, f.Message())
			} else if fixed := strings.ToValidUTF8(string(body), "\uFFFD"); fixed != string(body) {
				body, changed = []byte(fixed), 1
			}
			out = protowire.AppendBytes(protowire.AppendTag(out, num, typ), body)
			n += changed
		} else {
			out = append(out, b[:size+len(value)]...)
		}
		b = b[size+len(value):]
	}
	return out, n
}
