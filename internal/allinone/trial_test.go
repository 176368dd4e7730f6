package allinone_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/internal/allinone"
	"github.com/sluiceio/sluice/internal/command"
)

// TestCommands runs testdata/trial/*.txtar: a line of arguments (of `sluice`, in the folder of the parts), the files that it
// reads, "stdin", and what it prints and returns: "stdout", "stderr", "exit". A part "after NAME" is a file as it is then.
// Marks of parts inside of cases begin with "==" in place of "--".
func TestCommands(t *testing.T) {
	files, err := filepath.Glob("testdata/trial/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runCommandCase(t, file) })
	}
}

func runCommandCase(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("API_TOKEN", "of-the-environment")
	part := map[string]string{}
	for _, f := range archive.Files {
		part[f.Name] = string(f.Data)
		text := nested(string(f.Data))
		if err := os.MkdirAll(filepath.Dir(f.Name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stdin, err := os.Open(os.DevNull)
	if part["stdin"] != "" {
		stdin, err = os.Open("stdin")
	}
	if err != nil {
		t.Fatal(err)
	}
	was := os.Stdin
	os.Stdin = stdin
	defer func() { os.Stdin = was }()
	var args []string
	for line := range strings.Lines(string(archive.Comment)) {
		if rest, ok := strings.CutPrefix(line, "sluice "); ok {
			args = strings.Fields(rest)
		}
	}
	var stdout, stderr bytes.Buffer
	code := command.Run(t.Context(), allinone.Program(), args, &stdout, &stderr)
	want := func(what, want, got string) {
		if took.ReplaceAllString(got, "(0s)") != took.ReplaceAllString(want, "(0s)") {
			t.Errorf("%s: got\n%s\nwant\n%s", what, got, want)
		}
	}
	want("stdout", part["stdout"], stdout.String())
	want("stderr", part["stderr"], stderr.String())
	if got := string(rune('0' + code)); strings.TrimSpace(part["exit"]) != got && (part["exit"] != "" || code != 0) {
		t.Errorf("exit %d, want %s", code, part["exit"])
	}
	for name, text := range part {
		if of, is := strings.CutPrefix(name, "after "); is {
			got, err := os.ReadFile(of)
			if err != nil {
				t.Fatal(err)
			}
			want(name, nested(text), string(got))
		}
	}
	if strings.Contains(stdout.String()+stderr.String(), "of-the-environment") {
		t.Error("a secret is printed")
	}
}

var (
	took  = regexp.MustCompile(`\([0-9.]+[mµ]?s\)`)
	marks = regexp.MustCompile(`(?m)^== (.*) ==$`)
)

func nested(text string) string { return marks.ReplaceAllString(text, "-- $1 --") }

// TestExplainJSON: a program reads what a person does.
func TestExplainJSON(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/trial/explain_json.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if f.Name == "stdout" && !json.Valid(f.Data) {
			t.Error("not JSON")
		}
	}
}
