package multiline

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// join is what a stream's lines become.
func join(t *testing.T, r *Rule, lines []string) (records []string) {
	t.Helper()
	var s State
	open := false
	rest := []byte(strings.Join(lines, "\n") + "\n")
	for _, text := range lines {
		line := []byte(text)
		rest = rest[len(line)+1:]
		if open {
			joins, last := r.Joins(&s, line)
			if joins {
				records[len(records)-1] += "\n" + text
			}
			open = joins && !last
			if joins {
				continue
			}
		}
		alone := r.Alone(line, rest)
		open = r.Begin(&s, line)
		if alone && open {
			next, _, _ := bytes.Cut(rest, []byte{'\n'})
			again := s
			if joins, _ := r.Joins(&again, next); joins {
				t.Fatalf("%q is alone, but %q joins it", line, next)
			}
		}
		records = append(records, text)
	}
	return records
}

func rule(t testing.TB, c Choice) *Rule {
	t.Helper()
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var update = flag.Bool("update", false, "write what the presets make of testdata")

// TestPresets runs testdata/*.txtar: the records of a language's output, divided by four dashes, with its preset and with all.
func TestPresets(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) != languages {
		t.Fatal(paths, err)
	}
	const between = "----"
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := &archive.Files[0]
		var lines []string
		for _, line := range strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n") {
			if line != between {
				lines = append(lines, line)
			}
		}
		for _, presets := range [][]string{{f.Name}, names[:]} {
			got := strings.Join(join(t, rule(t, Choice{Presets: presets}), lines), "\n"+between+"\n") + "\n"
			if *update && len(presets) == 1 {
				f.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(f.Data) {
				t.Errorf("%s with %q:\n%s\nwant:\n%s", path, presets, got, f.Data)
			}
		}
	}
}

func TestParseAnnotation(t *testing.T) {
	for text, want := range map[string]string{"java": "java", " java , go ": "java go", "off": ""} {
		if c, err := ParseAnnotation(text); err != nil || strings.Join(c.Presets, " ") != want {
			t.Errorf("%q: %v %v", text, c, err)
		}
	}
	for _, text := range []string{"", "ruby", "java,,go"} {
		if c, err := ParseAnnotation(text); err == nil || !strings.Contains(err.Error(), "java, python, go, nodejs, dotnet") {
			t.Errorf("%q: %v %v", text, c, err)
		}
	}
}
