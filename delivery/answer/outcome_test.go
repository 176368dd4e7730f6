package answer

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/sluiceio/sluice/pipeline"
)

// The table of README.md is made from the functions, so that what is published is what happens.
func TestClassificationIsTheDocumentedOne(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if table := verdictTable(); !strings.Contains(string(readme), table) {
		t.Errorf("delivery/README.md lacks this table:\n%s", table)
	}
}

// verdictTable has a row a verdict, with the statuses and codes that mean it.
func verdictTable() string {
	rows := map[string]*[2][]string{}
	add := func(words string, column int, text string) {
		if rows[words] == nil {
			rows[words] = &[2][]string{}
		}
		rows[words][column] = append(rows[words][column], text)
	}
	last, from := inWords(JudgeHTTP(200)), 200
	for status := 201; status <= 600; status++ {
		words := ""
		if status < 600 {
			words = inWords(JudgeHTTP(status))
		}
		if words != last {
			add(last, 0, strings.TrimSuffix(fmt.Sprintf("%d-%d", from, status-1), fmt.Sprintf("-%d", from)))
			last, from = words, status
		}
	}
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		add(inWords(JudgeGRPC(code, "")), 1, code.String())
	}
	add(inWords(JudgeGRPC(codes.ResourceExhausted, "grpc: received message larger than max (5 vs. 4)")), 1,
		`ResourceExhausted: "message larger than max"`)

	var b strings.Builder
	b.WriteString("| verdict | HTTP status | gRPC code |\n| --- | --- | --- |\n")
	for _, words := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", words, strings.Join(rows[words][0], ", "), strings.Join(rows[words][1], ", "))
	}
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
