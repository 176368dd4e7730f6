package metrics

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what the cases answer into testdata; read the diff")

// TestCases runs testdata/*.txtar. The sections of a case are done in order, under a clock that starts on
// 2000-01-01T00:00:00Z (946684800) and moves only in "wait":
//
//	rules.yaml           a rule file, loaded at the start
//	push                 an OTLP/JSON request to append
//	wait 30s             let time pass
//	GET /api/v1/...      a query and the answer, an element a line; an answer other than 200 begins with its status
//	POST /api/v1/...     the same, the form in the first line
//	dropped              data points that the ledger has as dropped so far, a reason and a number a line
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { runCase(t, dir, archive) })
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func runCase(t *testing.T, dir string, archive *txtar.Archive) {
	// Not as RuleFiles: when a group is evaluated first depends on a hash of its file's name.
	rules := fstest.MapFS{}
	for _, f := range archive.Files {
		if strings.HasSuffix(f.Name, ".yaml") {
			rules[f.Name] = &fstest.MapFile{Data: f.Data}
		}
	}
	st, ledger := open(t, dir, Options{RulesFS: rules})
	for i := range archive.Files {
		f := &archive.Files[i]
		verb, rest, _ := strings.Cut(f.Name, " ")
		var got string
		switch {
		case strings.HasSuffix(f.Name, ".yaml"):
			continue
		case verb == "push":
			req := pmetricotlp.NewExportRequest()
			if err := req.UnmarshalJSON(f.Data); err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
			push(t, st, req.Metrics())
			continue
		case verb == "wait":
			d, err := time.ParseDuration(rest)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(d)
			synctest.Wait()
			continue
		case verb == "GET":
			got = ask(st, httptest.NewRequest(verb, strings.ReplaceAll(rest, " ", "%20"), nil))
		case verb == "POST":
			form, _, _ := strings.Cut(string(f.Data), "\n")
			r := httptest.NewRequest(verb, rest, strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			got = form + "\n" + ask(st, r)
		case verb == "dropped":
			got = accountText(dropped(t, ledger))
		default:
			t.Fatalf("unknown section %q", f.Name)
		}
		if *update {
			f.Data = []byte(got)
		} else if got != string(f.Data) {
			t.Errorf("%s\n got: %s\nwant: %s", f.Name, got, f.Data)
		}
	}
}

// ask returns the body of an answer, an element a line, after the status if that is not 200.
func ask(st *Store, r *http.Request) string {
	w := httptest.NewRecorder()
	st.Handler().ServeHTTP(w, r)
	body := strings.ReplaceAll(strings.TrimSpace(w.Body.String()), "},{", "},\n{") + "\n"
	if w.Code != http.StatusOK {
		return fmt.Sprintln(w.Code) + body
	}
	return body
}

func accountText(drops map[pipeline.Reason]int64) string {
	var b strings.Builder
	for _, why := range slices.Sorted(maps.Keys(drops)) {
		fmt.Fprintln(&b, why, drops[why])
	}
	return b.String()
}
