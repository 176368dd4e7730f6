package metricstest

import (
	"fmt"
	"io/fs"
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
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"golang.org/x/tools/txtar"
)

// Store is under test. Its Sink goes through the graph, so that the ledger counts everything.
type Store struct {
	pipeline.Sink
	http.Handler
	Ledger *ledger.Ledger
}

// Open opens an empty store in dir.
type Open func(t *testing.T, dir string, rules fs.FS) Store

// Cases runs testdata/*.txtar, each with an empty store and the rule files of the case. The sections run in order,
// under a fake clock that starts at 2000-01-01T00:00:00Z (946684800) and moves only in "wait":
//
//	rules.yaml           a rule file, loaded at the start
//	push                 an OTLP/JSON request to append
//	wait 30s             let time pass
//	GET /api/v1/...      a query and its answer, one element a line; the status first unless it is 200
//	POST /api/v1/...     the same, with the form in the first line
//	dropped              data points dropped so far according to the ledger, one reason and number a line
func Cases(t *testing.T, update bool, open Open) {
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
			synctest.Test(t, func(t *testing.T) { runCase(t, archive, update, open(t, dir, rulesOf(archive))) })
			if update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// rulesOf keeps the rule files in memory: when a group is first evaluated depends on a hash of its file name.
func rulesOf(archive *txtar.Archive) fs.FS {
	rules := fstest.MapFS{}
	for _, f := range archive.Files {
		if strings.HasSuffix(f.Name, ".yaml") {
			rules[f.Name] = &fstest.MapFile{Data: f.Data}
		}
	}
	return rules
}

func runCase(t *testing.T, archive *txtar.Archive, update bool, s Store) {
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
			if err := pipelinetest.Final(s.Consume(t.Context(), Batch(t, req.Metrics()))); err != nil {
				t.Fatal(err)
			}
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
			got = Ask(s, httptest.NewRequest(verb, strings.ReplaceAll(rest, " ", "%20"), nil))
		case verb == "POST":
			form, _, _ := strings.Cut(string(f.Data), "\n")
			r := httptest.NewRequest(verb, rest, strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			got = form + "\n" + Ask(s, r)
		case verb == "dropped":
			got = accountText(Dropped(t, s.Ledger))
		default:
			t.Fatalf("unknown section %q", f.Name)
		}
		if update {
			f.Data = []byte(got)
		} else if got != string(f.Data) {
			t.Errorf("%s\n got: %s\nwant: %s", f.Name, got, f.Data)
		}
	}
}

// Ask returns an answer, one element a line, after the status unless it is 200.
func Ask(h http.Handler, r *http.Request) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
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

// Instant runs an instant query.
func Instant(h http.Handler, query string) string {
	r := httptest.NewRequest("GET", "/api/v1/query", nil)
	q := r.URL.Query()
	q.Set("query", query)
	r.URL.RawQuery = q.Encode()
	return Ask(h, r)
}
