package answer

import (
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluiceio/sluice/internal/backoff"
)

func TestPartialSuccess(t *testing.T) {
	resp := plogotlp.NewExportResponse()
	resp.PartialSuccess().SetRejectedLogRecords(7)
	resp.PartialSuccess().SetErrorMessage("too old")
	body, err := resp.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	if n, msg := PartialSuccess(body); n != 7 || string(msg) != "too old" {
		t.Errorf("%d items, %q", n, msg)
	}
	if n, msg := PartialSuccess(nil); n != 0 || msg != nil {
		t.Errorf("an empty answer is %d items, %q", n, msg)
	}
	if n, _ := PartialSuccess([]byte("<html>502</html>")); n != 0 {
		t.Errorf("a page is %d items", n)
	}
}

// Whatever protobuf's own decoder takes, we read alike; whatever it refuses, we must survive.
func FuzzPartialSuccess(f *testing.F) {
	for _, items := range []int64{0, 1, -1, 1 << 40} {
		b, _ := proto.Marshal(&collogs.ExportLogsServiceResponse{PartialSuccess: &collogs.ExportLogsPartialSuccess{
			RejectedLogRecords: items, ErrorMessage: "why",
		}})
		f.Add(b)
		f.Add(append(b, b...))
	}
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, body []byte) {
		items, message := PartialSuccess(body)
		var want collogs.ExportLogsServiceResponse
		if proto.Unmarshal(body, &want) != nil {
			return
		}
		if hasGroup(body) {
			return // proto2 groups, which OTLP does not have: we read them as no partial success
		}
		if p := want.GetPartialSuccess(); items != p.GetRejectedLogRecords() || string(message) != p.GetErrorMessage() {
			t.Errorf("%x is %d %q, want %v", body, items, message, p)
		}
	})
}

// hasGroup says whether a message or a partial success in it has a field of the group wire type.
func hasGroup(b []byte) bool {
	for pos := 0; pos < len(b); {
		f, next, ok := readField(b, pos)
		if !ok {
			return true
		}
		if f.number == 1 && f.wiretype == 2 && hasGroup(f.bytes) {
			return true
		}
		pos = next
	}
	return false
}

func TestRetryInfo(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{
		0: 0, 1500 * time.Millisecond: 1500 * time.Millisecond, -time.Second: 0, 24 * time.Hour: backoff.MaxAsked,
	} {
		b, err := proto.Marshal(&errdetails.RetryInfo{RetryDelay: durationpb.New(in)})
		if err != nil {
			t.Fatal(err)
		}
		if got := RetryInfo(b); got != want {
			t.Errorf("a RetryInfo of %s reads as %s", in, got)
		}
	}
	if RetryInfo([]byte{0x0a, 0x05, 1}) != 0 {
		t.Error("a broken RetryInfo delays")
	}
}

func TestPartialSuccessInJSON(t *testing.T) {
	for body, want := range map[string]int64{
		`{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"three"}}`:      3,
		`{"partialSuccess":{"rejectedDataPoints":4}}`:                               4,
		`{"partialSuccess":{"rejectedSpans":"5","future":{"a":[1]}}, "more": true}`: 5,
		`{}`:                      0,
		`{"partialSuccess":{}}`:   0,
		`{"partialSuccess":null}`: 0,
		`not JSON`:                0,
		`{"partialSuccess":{"rejectedLogRecords":"-3"}}`: 0,
	} {
		if n, _ := PartialSuccessJSON([]byte(body)); n != want {
			t.Errorf("%s: %d, want %d", body, n, want)
		}
	}
	for _, kind := range []string{"application/json", "application/json; charset=utf-8"} {
		var out Outcome
		out.PartialHTTP(kind, []byte(`{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"three"}}`),
			func(s string) string { return s })
		if out.Items != 3 || out.Err == nil {
			t.Errorf("%s: %+v", kind, out)
		}
	}
}
