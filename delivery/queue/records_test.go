package queue

import (
	"testing"

	"github.com/sluiceio/sluice/pipeline"
)

// FuzzHeader: a header of any bytes gives a value or an error, and what it says is written and read again as it is. The
// body that it describes may be anything, too.
func FuzzHeader(f *testing.F) {
	h := header{signal: pipeline.Logs, encoding: "zstd", raw: 5, tenant: "a", route: "b", reason: "too_old", words: "no", rejected: 3}
	f.Add(h.append(nil), []byte("hello"))
	f.Add((&header{signal: pipeline.Traces}).append(nil), []byte{})
	f.Add([]byte{8, 2, 0x12, 4, 'g', 'z', 'i', 'p', 0x18, 9}, []byte{0x1f, 0x8b, 8})
	f.Add([]byte{0xff, 0xff, 0xff}, []byte(nil))
	f.Fuzz(func(t *testing.T, b, body []byte) {
		got, err := ParseHeader(b)
		if err != nil {
			return
		}
		again := header{got.Signal, got.Encoding, got.Size, got.Tenant, got.Route, got.Reason, got.Words, got.Rejected}
		if same, err := ParseHeader(again.append(nil)); err != nil || same != got {
			t.Errorf("%+v came back as %+v, %v", got, same, err)
		}
		got.Size = min(got.Size, 1<<20)
		_, _ = got.Request(body)
	})
}
