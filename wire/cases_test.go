package wire

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestCases runs testdata/*.txtar. A case is a section named by a signal and a title, which holds a body in the
// notation of asm, followed by one or two that say what Check makes of it: "want" (the canonical form), "same" (the
// body itself), "info" (items, repaired strings) and "error". Every body is held against pdata as well.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(archive.Files); {
			signal, title, _ := strings.Cut(archive.Files[i].Name, " ")
			k := i + 1
			for k < len(archive.Files) && !strings.Contains(archive.Files[k].Name, " ") {
				k++
			}
			t.Run(filepath.Base(file)+"/"+title, func(t *testing.T) {
				runCase(t, signalOf(t, signal), archive.Files[i:k])
			})
			i = k
		}
	}
}

func signalOf(t testing.TB, name string) Signal {
	for _, s := range []Signal{Metrics, Logs, Traces} {
		if s.String() == name {
			return s
		}
	}
	t.Fatalf("no signal %q", name)
	return 0
}

func runCase(t *testing.T, s Signal, sections []txtar.File) {
	body := asm(t, string(sections[0].Data))
	_, accepted := compare(t, s, body)
	got, info, err := Check(s, body, Limits{})
	if len(sections) == 1 {
		t.Fatal("a case without an expectation")
	}
	for _, section := range sections[1:] {
		text := strings.TrimSpace(string(section.Data))
		switch section.Name {
		case "want":
			if want := asm(t, text); err != nil || !bytes.Equal(got, want) || !info.Canonicalized {
				t.Errorf("got  %x %v\nwant %x", got, err, want)
			}
		case "same":
			if err != nil || info.Canonicalized {
				t.Errorf("rewritten into %x, %v", got, err)
			}
		case "info":
			if have := fmt.Sprintf("items %d repaired %d", info.Items, info.RepairedStrings); have != text {
				t.Errorf("got %q, want %q", have, text)
			}
		case "error":
			if accepted || err == nil || err.Error() != text {
				t.Errorf("\ngot  %v\nwant %s", err, text)
			}
		default:
			t.Fatalf("unknown section %q", section.Name)
		}
	}
}
