package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"
)

// numberedRequest is one OTLP request of n records that begin at a number.
func numberedRequest(source string, first, n int) []byte {
	var recs []*logs.LogRecord
	for i := range n {
		recs = append(recs, &logs.LogRecord{
			TimeUnixNano: uint64(time.Now().UnixNano()),
			Body:         &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: fmt.Sprintf("source=%s seq=%d end", source, first+i)}},
		})
	}
	b, err := proto.Marshal(&collogs.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{LogRecords: recs}}}}})
	if err != nil {
		panic(err)
	}
	return b
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 30 * time.Second}

func pushLogs(port int, body []byte) (int, error) {
	res, err := client.Post(fmt.Sprintf("http://127.0.0.1:%d/v1/logs", port), "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// pushUntilRefused sends requests of 100 records one after the other until one is not answered 200, and returns
// how many records were.
func pushUntilRefused(t testing.TB, port int, source string) int {
	n := 0
	for {
		code, err := pushLogs(port, numberedRequest(source, n, 100))
		if err != nil || code != http.StatusOK {
			return n
		}
		n += 100
	}
}

// wantLast looks for text in the last line that a program said.
func wantLast(t testing.TB, p *process, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(p.out.String()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, text) {
		t.Errorf("the last line is %q, want %q in it", last, text)
	}
}
