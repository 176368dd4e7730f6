package host

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire/prom"
)

// childConfig is the environment variable that makes the test binary read one machine and print what it found. The
// library takes its flags once a process.
const childConfig = "SLUICE_TEST_HOST_CONFIG"

// TestChild is not a test of its own: readIn runs it.
func TestChild(t *testing.T) {
	text := os.Getenv(childConfig)
	if text == "" {
		t.Skip("runs as a child only")
	}
	cfg := Default()
	if err := json.Unmarshal([]byte(text), cfg); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	sink := &pipelinetest.Recorder{}
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "host")
	s.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	v, err := New(s, cfg, pipeline.OutputsTo(s.Entrance(pipeline.Metrics, sink), pipeline.Metrics))
	if err != nil {
		t.Fatal(err)
	}
	r := v.(*Receiver)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); len(sink.Batches()) == 0 && time.Since(begin) < 20*time.Second; time.Sleep(10 * time.Millisecond) {
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]prometheus.Metric{"sluice_host_textfile_errors_total": r.badFiles, "sluice_host_textfile_metrics_left_out_total": r.leftOut} {
		if _, err := fmt.Printf("own %s %v\n", name, testutil.ToFloat64(c.(prometheus.Collector))/testutil.ToFloat64(r.collections)); err != nil {
			t.Fatal(err)
		}
	}
	tr := prom.New(prom.DefaultConfig())
	for _, b := range sink.Batches()[:1] {
		if _, err := tr.Walk(b.Request, prom.SinkFunc(func(s *prom.Sample) error {
			line := ""
			for c := s.Labels.Cursor(); c.Next(); {
				line += string(c.Name) + "=" + string(c.Value) + " "
			}
			_, err := os.Stdout.WriteString("series " + line + "\n")
			return err
		})); err != nil {
			t.Fatal(err)
		}
	}
}

// readIn reads a machine once in a process of its own, and returns its series and its log.
func readIn(t *testing.T, cfg map[string]any) (series, log string) {
	t.Helper()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.timeout=50s")
	cmd.Env = append(os.Environ(), childConfig+"="+string(text))
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, said.String())
	}
	return string(out), said.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAMissingMountCostsOnlyWhatItShows: the receiver starts, says it once, and up is there.
func TestAMissingMountCostsOnlyWhatItShows(t *testing.T) {
	t.Parallel()
	series, log := readIn(t, map[string]any{"Procfs": "/nonexistent", "Collectors": []string{"uname", "meminfo", "stat"}})
	for _, want := range []string{"__name__=up ", "__name__=node_uname_info ", "collector=meminfo "} {
		if !strings.Contains(series, want) {
			t.Errorf("no series with %q in\n%s", want, series)
		}
	}
	if !strings.Contains(log, "procfs cannot be read") {
		t.Errorf("the log does not name the path:\n%s", log)
	}
}

func TestTextFilesAreRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "backup.prom"), "backup_last_success_timestamp_seconds{job_name=\"db\"} 1.7e9\n")
	series, _ := readIn(t, map[string]any{"TextfileDirectories": []string{dir}})
	if !strings.Contains(series, "__name__=backup_last_success_timestamp_seconds ") {
		t.Error("the series of the text file is missing")
	}
	if !strings.Contains(series, "__name__=node_uname_info ") {
		t.Error("naming a directory took the default collectors away")
	}
}

// TestTextFilesDoNotReplaceCollectors: a metric named like a collector's is left out, and each file that cannot be read is
// named; both are counted.
func TestTextFilesDoNotReplaceCollectors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.prom"), "node_load1 99\nnode_load5{a=\"b\"} 99\nnode_scrape_collector_success{collector=\"x\"} 99\nown 1\n")
	for _, name := range []string{"bad", "worse"} {
		write(t, filepath.Join(dir, name+".prom"), "{{{\n")
	}
	series, log := readIn(t, map[string]any{"TextfileDirectories": []string{dir}, "CollectionInterval": int64(time.Second)})
	for name, want := range map[string]int{"node_load1": 1, "node_load5": 1, "own": 1} {
		if n := strings.Count(series, "__name__="+name+" "); n != want {
			t.Errorf("%s has %d series, want %d", name, n, want)
		}
	}
	if strings.Contains(series, "collector=x ") || strings.Contains(series, "a=b ") {
		t.Errorf("series of the text file are there:\n%s", series)
	}
	for _, name := range []string{"metric=node_load1", "metric=node_load5", "metric=node_scrape_collector_success", "bad.prom", "worse.prom"} {
		if n := strings.Count(log, name); n == 0 {
			t.Errorf("the log does not name %s:\n%s", name, log)
		}
	}
	for name, want := range map[string]string{"sluice_host_textfile_errors_total": "2", "sluice_host_textfile_metrics_left_out_total": "3"} {
		if !strings.Contains(series, "own "+name+" "+want+"\n") {
			t.Errorf("%s is not %s\n%s", name, want, log)
		}
	}
}

// TestWhatContainersLeaveIsNotReported: the defaults of the filters, and that an empty one excludes nothing.
func TestWhatContainersLeaveIsNotReported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, d := range []string{"eth0", "veth12ab", "cali0123456789a", "lxc1a2b", "0123456789abcde"} {
		write(t, filepath.Join(dir, "sys/class/net", d, "mtu"), "1500\n")
	}
	write(t, filepath.Join(dir, "proc/diskstats"), "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 1 sda1 1 2 3 4 5 6 7 8 9 10 11\n7 0 loop0 1 2 3 4 5 6 7 8 9 10 11\n")
	mounts := ""
	for i, m := range []string{"/ / ext4 /dev/sda1", "/ /var/lib/kubelet/pods/x/volumes/y ext4 /dev/sdb", "/ /data overlay overlay", "/ /srv ext4 /dev/sdc"} {
		f := strings.Fields(m)
		mounts += string(rune('1'+i)) + " 0 8:1 " + f[0] + " " + f[1] + " rw,relatime - " + f[2] + " " + f[3] + " rw\n"
	}
	write(t, filepath.Join(dir, "proc/1/mountinfo"), mounts)
	cfg := map[string]any{
		"Procfs": filepath.Join(dir, "proc"), "Sysfs": filepath.Join(dir, "sys"), "Rootfs": "/",
		"Collectors": []string{"netclass", "diskstats", "filesystem"},
	}
	few, _ := readIn(t, cfg)
	for _, key := range []string{"ExcludeNetworkDevices", "ExcludeDisks", "ExcludeMountPoints", "ExcludeFSTypes"} {
		cfg[key] = ""
	}
	all, _ := readIn(t, cfg)
	for _, of := range []struct {
		label string
		kept  bool
	}{
		{"device=eth0 ", true}, {"device=veth12ab ", false}, {"device=cali0123456789a ", false}, {"device=lxc1a2b ", false}, {"device=0123456789abcde ", false},
		{"device=sda ", true}, {"device=sda1 ", false}, {"device=loop0 ", false},
		{"mountpoint=/ ", true}, {"mountpoint=/srv ", true}, {"mountpoint=/data ", false}, {"mountpoint=/var/lib/kubelet/pods/x/volumes/y ", false},
	} {
		if !strings.Contains(all, of.label) {
			t.Errorf("without filters no series has %q", of.label)
		}
		if strings.Contains(few, of.label) != of.kept {
			t.Errorf("with the defaults, series with %q: %v, want %v", of.label, !of.kept, of.kept)
		}
	}
}
