package command

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/collector/config/configcompression"

	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// aLog is a request with one log record.
func aLog(text string) pipeline.Batch {
	value := wire.AppendString(nil, 1, text)
	record := wire.AppendBytes(nil, 5, value)
	scope := wire.AppendBytes(nil, 2, record)
	resource := wire.AppendBytes(nil, 2, scope)
	return pipeline.Batch{Signal: pipeline.Logs, Items: 1, Request: wire.AppendBytes(nil, 1, resource)}
}

// openQueue is a queue with three records in two lanes, and a dead letter; it is open.
func openQueue(t *testing.T, storage string) (*queue.Queue, string) {
	t.Helper()
	return openQueueOf(t, storage, queue.Batching{})
}

func openQueueOf(t *testing.T, storage string, batching queue.Batching) (*queue.Queue, string) {
	t.Helper()
	settings, _ := pipelinetest.Settings(t, pipeline.KindExporter, "otlp_http")
	pool := &buffer.Pool{}
	z, err := payload.NewCompressor(configcompression.TypeZstd, 0, pool)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(storage, queue.FolderOf(settings.ID))
	q, err := queue.Open(queue.Options{
		Dir: dir, Compressor: z, Pool: pool, Consumers: 1, Size: 100, Sizer: "requests", MaxRecord: 1 << 20, Letters: 1 << 20,
		Books: settings, Log: settings.Log, Batching: batching,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, tenant := range []string{"", "", "team-a"} {
		b := aLog(fmt.Sprintf("line %d", i))
		b.Origin.Tenant = tenant
		if err := q.Put(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	q.Bury(aLog("bad line"), pipeline.Reject(0, pipeline.DropTooOld, fmt.Errorf("entry too\nold")))
	return q, dir
}

func closedQueue(t *testing.T) (storage, dir string) {
	t.Helper()
	storage = t.TempDir()
	q, dir := openQueue(t, storage)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	return storage, dir
}

// sluice runs a command line.
func sluice(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Run(context.Background(), Program{Name: "sluice"}, args, &o, &e)
	return code, o.String(), e.String()
}

func want(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("there is no %q in:\n%s", p, got)
		}
	}
}

func TestQueueLsAndInspect(t *testing.T) {
	storage, dir := closedQueue(t)
	code, out, errs := sluice(t, "queue", "ls", "--dir", storage)
	if code != 0 {
		t.Fatal(errs)
	}
	want(t, strings.Join(strings.Fields(out), " "), "exporter_otlp_http 3 3 ", " 1 2")
	_, one, _ := sluice(t, "queue", "ls", "--dir", dir)
	want(t, one, "exporter_otlp_http")
	code, out, errs = sluice(t, "queue", "inspect", dir)
	if code != 0 {
		t.Fatal(errs)
	}
	want(t, out, "logs: 2 unsettled records", ".seg: records 1 to 2", `tenant "team-a"`, "dead_letters: 1 unsettled", `reason "too_old"`, `words "entry too\nold"`, "logs, 1 items")
}

func TestQueueVerify(t *testing.T) {
	_, dir := closedQueue(t)
	if code, out, errs := sluice(t, "queue", "verify", dir); code != 0 || !strings.Contains(out, "logs: 2 whole records, 0 damages") {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "logs", "*.seg"))
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(b, []byte("rec\xc5\x0d\xe7")) + 70 // in the second record
	b[at] ^= 0xff
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := sluice(t, "queue", "verify", dir)
	if code != ExitFailure {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	want(t, out, files[0]+": offset ", "1 records lost", "logs: 1 whole records, 1 damages")
	code, _, errs = sluice(t, "queue", "export", filepath.Join(dir, "logs"), "--format", "json")
	if code != ExitFailure {
		t.Errorf("an export without a damaged record has exit code %d", code)
	}
	want(t, errs, "1 records are damaged", "exported 1 records")
}

func TestQueueExport(t *testing.T) {
	_, dir := closedQueue(t)
	code, out, errs := sluice(t, "queue", "export", dir, "--format", "json")
	if code != 0 || strings.Count(out, "\n") != 3 {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	want(t, out, `"stringValue":"line 0"`, `"stringValue":"line 2"`)
	want(t, errs, "exported 3 records, 3 items", "1 records have a tenant")
	file := filepath.Join(t.TempDir(), "out")
	if code, _, errs := sluice(t, "queue", "export", filepath.Join(dir, "dead_letters"), "--out", file); code != 0 {
		t.Fatal(errs)
	}
	b, _ := os.ReadFile(file)
	if bad := aLog("bad line").Request; len(b) != 4+len(bad) || binary.BigEndian.Uint32(b) != uint32(len(bad)) || !bytes.Equal(b[4:], bad) {
		t.Errorf("exported %q", b)
	}
	if code, _, errs := sluice(t, "queue", "export", dir, "--out", file); code != ExitFailure || !strings.Contains(errs, "cannot make the file") {
		t.Errorf("a file was replaced: %d %s", code, errs)
	}
}

func TestQueueDrop(t *testing.T) {
	storage := t.TempDir()
	q, dir := openQueue(t, storage)
	code, _, errs := sluice(t, "queue", "drop", dir, "--confirm", "--data-dir", t.TempDir())
	if code != ExitFailure {
		t.Errorf("dropped what a daemon has: %d", code)
	}
	want(t, errs, "stop it first", "nothing was changed", "--data-dir")
	q.Close()
	code, out, errs := sluice(t, "queue", "drop", dir)
	if code != ExitUsage {
		t.Errorf("dropped without --confirm: %d", code)
	}
	want(t, out, "2 records, 2 items", "1 records, 1 items")
	want(t, errs, "--confirm")
	code, out, errs = sluice(t, "queue", "drop", dir, "--confirm")
	if code != 0 {
		t.Fatal(errs)
	}
	want(t, out, "logs: dropped 2 records, 2 items, ", "dead letters are kept: 1 records")
	if s, err := queue.Summarize(dir); err != nil || s.Stored.Records != 0 || s.Letters.Records != 1 {
		t.Errorf("left: %+v, %v", s, err)
	}
	if code, out, _ = sluice(t, "queue", "drop", filepath.Join(dir, "dead_letters"), "--confirm"); code != 0 {
		t.Error(out)
	}
	if s, _ := queue.Summarize(dir); !s.Empty() {
		t.Errorf("left: %+v", s)
	}
}

func TestQueueReplay(t *testing.T) {
	_, dir := closedQueue(t)
	var bodies, tenants []string
	var away atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		b, _ := io.ReadAll(z)
		switch {
		case away.Load():
			http.Error(w, "who are you, s3cret?", http.StatusUnauthorized)
			return
		case r.URL.Path != "/v1/logs" || r.Header.Get("Authorization") != "Bearer s3cret":
			t.Errorf("%s, %v", r.URL, r.Header)
		case bytes.Contains(b, []byte("line 1")):
			http.Error(w, "I do not like it", http.StatusBadRequest)
			return
		}
		bodies, tenants = append(bodies, string(b)), append(tenants, r.Header.Get(tenantHeader))
	}))
	defer srv.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("Bearer s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"queue", "replay", dir, "--to", srv.URL, "--header", "Authorization=@" + token}
	if code, _, errs := sluice(t, args...); code != ExitUsage || !strings.Contains(errs, "--confirm") || len(bodies) > 0 {
		t.Errorf("sent without --confirm: %d %s", code, errs)
	}
	args = append(args, "--confirm")
	away.Store(true)
	code, out, errs := sluice(t, args...)
	if code != ExitFailure || strings.Contains(errs, "s3cret") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	want(t, errs, "401", "check the URL of --to")
	away.Store(false)
	code, out, errs = sluice(t, args...)
	if code != ExitFailure {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	want(t, out, "sent 2 records, 2 items", "kept 1 records")
	want(t, errs, "record 2 stays", "I do not like it")
	if len(bodies) != 2 || bodies[0] != string(aLog("line 0").Request) || strings.Join(tenants, ",") != ",team-a" {
		t.Errorf("got %q of %q", bodies, tenants)
	}
	if code, out, errs = sluice(t, "queue", "replay", filepath.Join(dir, "dead_letters"), "--to", srv.URL, "--header", "Authorization=Bearer s3cret", "--confirm"); code != 0 {
		t.Errorf("dead letters: %s%s", out, errs)
	}
	if s, err := queue.Summarize(dir); err != nil || s.Stored.Records != 1 || s.Letters.Records != 0 {
		t.Errorf("left: %+v, %v", s, err)
	}
}

// TestReplayOfAPart: a dead letter of which the destination took a part is sent only when it is asked for.
func TestReplayOfAPart(t *testing.T) {
	q, dir := openQueue(t, t.TempDir())
	b := aLog("x")
	b.Request, b.Items = append(b.Request, aLog("y").Request...), 2
	q.Bury(b, &pipeline.Rejected{Reason: pipeline.DropRejected, Count: 1, Err: errors.New("one of them")})
	q.Close()
	posts := 0
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { posts++ }))
	defer srv.Close()
	letters := filepath.Join(dir, "dead_letters")
	_, out, _ := sluice(t, "queue", "inspect", letters)
	want(t, out, "1 of the items were rejected")
	args := []string{"queue", "replay", letters, "--to", srv.URL, "--confirm"}
	code, out, errs := sluice(t, args...)
	if code != ExitFailure || posts != 1 {
		t.Errorf("exit code %d, %d posts: %s%s", code, posts, out, errs)
	}
	want(t, errs, "1 of its 2 items were rejected", "--partial")
	if code, out, errs = sluice(t, append(args, "--partial")...); code != 0 || posts != 2 {
		t.Errorf("exit code %d, %d posts: %s%s", code, posts, out, errs)
	}
}

// TestStrangeFolders give an error that names the fix, and nothing panics.
func TestStrangeFolders(t *testing.T) {
	storage, dir := closedQueue(t)
	empty := t.TempDir()
	for _, verb := range []string{"inspect", "verify", "export", "drop", "replay"} {
		for folder, says := range map[string]string{storage: "has several queues", empty: "is no queue", filepath.Join(empty, "x"): "cannot read the folder"} {
			args := []string{"queue", verb, folder}
			if verb == "replay" {
				args = append(args, "--to", "http://127.0.0.1:1")
			}
			if code, _, errs := sluice(t, args...); code != ExitFailure || !strings.Contains(errs, says) {
				t.Errorf("%s %s: %d, %q", verb, folder, code, errs)
			}
		}
		if code, _, errs := sluice(t, "queue", verb); code != ExitUsage || !strings.Contains(errs, "--") {
			t.Errorf("%s: %d, %q", verb, code, errs)
		}
	}
	junk := filepath.Join(dir, "traces")
	if err := os.MkdirAll(junk, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"0000000000000001.seg": "junk", "cursor": "junk", "00000000000000ff.seg": strings.Repeat("SLUICSEG", 1000)} {
		if err := os.WriteFile(filepath.Join(junk, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, verb := range []string{"inspect", "verify", "export"} {
		code, out, errs := sluice(t, "queue", verb, junk)
		if verb != "inspect" && code != ExitFailure {
			t.Errorf("%s of junk: %d %s%s", verb, code, out, errs)
		}
	}
}
