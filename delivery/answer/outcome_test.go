package answer

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/sluiceio/sluice/pipeline"
)

// The tables of README.md are made from the functions, so that what is published is what happens.
func TestClassificationIsTheDocumentedOne(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, table := range map[string]string{"HTTP": httpTable(), "gRPC": grpcTable()} {
		if !strings.Contains(string(readme), table) {
			t.Errorf("delivery/README.md lacks this table of %s:\n%s", name, table)
		}
	}
}

func httpTable() string {
	var b strings.Builder
	b.WriteString("| HTTP status | verdict |\n| --- | --- |\n")
	last, from := "", 0
	flush := func(to int) {
		if last != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", strings.TrimSuffix(fmt.Sprintf("%d-%d", from, to), fmt.Sprintf("-%d", from)), last)
		}
	}
	for status := 200; status < 600; status++ {
		v, reason := JudgeHTTP(status)
		if words := inWords(v, reason); words != last {
			flush(status - 1)
			last, from = words, status
		}
	}
	flush(599)
	return b.String()
}

func grpcTable() string {
	var b strings.Builder
	b.WriteString("| gRPC code | verdict |\n| --- | --- |\n")
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		fmt.Fprintf(&b, "| %d %s | %s |\n", code, code, inWords(JudgeGRPC(code, "")))
	}
	fmt.Fprintf(&b, "| 8 ResourceExhausted, \"message larger than max\" | %s |\n",
		inWords(JudgeGRPC(codes.ResourceExhausted, "grpc: received message larger than max (5 vs. 4)")))
	return b.String()
}

func inWords(v Verdict, why pipeline.Reason) string {
	if why == "" {
		return v.String()
	}
	return fmt.Sprintf("%s as `%s`", v, why)
}

func TestHTTPCodeIsAClosedList(t *testing.T) {
	seen := map[string]bool{}
	for status := -1; status < 2000; status++ {
		seen[HTTPCode(status)] = true
	}
	if len(seen) > 30 {
		t.Errorf("%d codes", len(seen))
	}
}
