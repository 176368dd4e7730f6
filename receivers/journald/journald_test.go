package journald

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

func pipelineRegistry() prometheus.Registerer { return prometheus.NewRegistry() }

// TestResume: stopped and started again, the receiver goes on behind what was taken, and no entry is lost or doubled.
func TestResume(t *testing.T) {
	j := newJournal(t)
	j.say("ssh.service", "one")
	j.say("cron.service", "two")
	j.start()
	j.want("ssh: one|cron: two")
	j.stop()
	j.say("ssh.service", "three\nand a line")
	j.start()
	j.want("ssh: one|cron: two|ssh: three\nand a line")
	j.stop()
}

// TestLinger: entries that come one after the other leave together, and none waits much longer than linger.
func TestLinger(t *testing.T) {
	for _, linger := range []time.Duration{0, 2 * time.Second} {
		j := newJournal(t)
		j.cfg.Linger = linger
		j.start()
		begin := time.Now()
		for i := range 5 {
			j.say("a.service", strconv.Itoa(i))
			time.Sleep(100 * time.Millisecond)
		}
		j.want("a: 0|a: 1|a: 2|a: 3|a: 4")
		if took := time.Since(begin); took < linger || took > linger+5*time.Second {
			t.Errorf("linger %s: the entries came after %s", linger, took)
		}
		j.set(func() {
			if linger > 0 && j.requests != 1 || linger == 0 && j.requests < 2 {
				t.Errorf("linger %s: %d requests", linger, j.requests)
			}
		})
		j.stop()
	}
}

// TestRefused: what is refused keeps the cursor where it is, over a restart too.
func TestRefused(t *testing.T) {
	j := newJournal(t)
	j.say("a.service", "one")
	j.start()
	j.want("a: one")
	j.set(func() { j.refuse = true })
	j.say("a.service", "two")
	j.say("a.service", "three")
	time.Sleep(100 * time.Millisecond)
	j.stop()
	j.set(func() { j.refuse = false })
	j.start()
	j.want("a: one|a: two|a: three")
	j.stop()
}

// TestRejected: what is rejected is done with.
func TestRejected(t *testing.T) {
	j := newJournal(t)
	j.rejects = 1
	j.say("a.service", "one")
	j.start()
	for j.receiver.cursor.get() == "" {
		time.Sleep(time.Millisecond)
	}
	j.say("a.service", "two")
	j.want("a: two")
	j.stop()
}

// TestKilled: the cursor on disk is at most a second old, and never ahead of what was taken.
func TestKilled(t *testing.T) {
	j := newJournal(t)
	j.say("a.service", "one")
	j.start()
	j.want("a: one")
	path := j.receiver.cursor.path
	for {
		if _, err := os.Stat(path); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	j.set(func() { j.refuse = true })
	j.say("a.service", "two")
	time.Sleep(50 * time.Millisecond)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	j.stop()
	if cursor, err := decodeCursor(string(b)); err != nil || cursor != "s=0001" {
		t.Errorf("the cursor at the kill is %q, %v", cursor, err)
	}
}

// TestJournalctlEnds: a journalctl that fails in the middle is started again behind what was read.
func TestJournalctlEnds(t *testing.T) {
	j := newJournal(t)
	if err := os.WriteFile(filepath.Join(j.dir, ".exit-after"), []byte("2"), 0o600); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 5 {
		j.say("a.service", fmt.Sprint(i))
		want = append(want, fmt.Sprintf("a: %d", i))
	}
	j.start()
	j.want(strings.Join(want, "|"))
	j.stop()
	calls, _ := os.ReadFile(filepath.Join(j.dir, ".calls"))
	if n := strings.Count(string(calls), "\n"); n != 3 || !strings.Contains(string(calls), "--after-cursor=s=0004") {
		t.Errorf("%d calls:\n%s", n, calls)
	}
}

// TestStartAtEnd: old entries are left out; what came while the receiver was down is not, even if it never saw a
// new one before.
func TestStartAtEnd(t *testing.T) {
	j := newJournal(t)
	j.cfg.StartAt = startAtEnd
	j.say("a.service", "old")
	j.say("a.service", "older than us")
	time.Sleep(2 * time.Millisecond)
	j.start()
	for j.receiver.cursor.get() != "s=0002" {
		time.Sleep(time.Millisecond)
	}
	j.stop()
	j.say("a.service", "while down")
	j.start()
	j.want("a: while down")
	j.stop()
}

// TestStartAtEndOfNothing: in an empty journal the first entry is a new one.
func TestStartAtEndOfNothing(t *testing.T) {
	j := newJournal(t)
	j.cfg.StartAt = startAtEnd
	j.start()
	time.Sleep(50 * time.Millisecond)
	j.say("a.service", "first")
	j.want("a: first")
	j.stop()
}

func TestNoJournalctl(t *testing.T) {
	j := newJournal(t)
	j.cfg.JournalctlPath = filepath.Join(t.TempDir(), "journalctl")
	j.start()
	j.stop()
}

func TestDamagedCursor(t *testing.T) {
	j := newJournal(t)
	j.say("a.service", "one")
	j.start()
	j.want("a: one")
	j.stop()
	path := j.receiver.cursor.path
	if err := os.WriteFile(path, []byte("00000000 damage"), 0o600); err != nil {
		t.Fatal(err)
	}
	j.start()
	j.want("a: one|a: one")
	j.stop()
	if _, err := os.Stat(path + ".damaged"); err != nil {
		t.Error(err)
	}
	good := encodeCursor("s=0001;i=2")
	for i := range good[:len(good)-1] {
		for _, x := range []byte{1, 0x20, 0x80} {
			b := []byte(good)
			b[i] ^= x
			// The hex digits of the sum may change case and say the same.
			if c, err := decodeCursor(string(b)); err == nil && c != "s=0001;i=2" {
				t.Errorf("flipped at %d it is read as %q", i, c)
			}
		}
		if _, err := decodeCursor(good[:i]); err == nil {
			t.Errorf("cut at %d it is taken", i)
		}
	}
}

// TestRecord looks at everything a record has.
func TestRecord(t *testing.T) {
	j := newJournal(t)
	j.cfg.AllFields = true
	j.say("ssh.service", "caf\xe9", "_HOSTNAME=node7", "_PID=812", "_COMM=sshd", "_TRANSPORT=syslog", "SYSLOG_IDENTIFIER=sshd", "CODE_LINE=x",
		"SYSLOG_FACILITY=10", "SYSLOG_FACILITY=11", "BIG="+strings.Repeat("é", fieldMax))
	j.start()
	j.want("ssh: caf\uFFFD")
	j.stop()
	rs := j.last.Resources()
	rs.Next()
	if got := texts(wire.ResourceAttributes(rs.Resource())); got != "host.name=node7 service.name=ssh systemd.unit=ssh.service" {
		t.Errorf("resource %s", got)
	}
	ss := rs.Scopes()
	ss.Next()
	items := ss.Items()
	items.Next()
	l := wire.ParseLog(items.Bytes())
	got := strings.ReplaceAll(texts(l.Attributes()), strings.Repeat("é", fieldMax/2), "BIG")
	want := "syslog.identifier=sshd process.pid=812 process.executable.name=sshd journald.transport=syslog code.line.number=x journald.syslog_facility=10 journald.big=BIG"
	if got != want {
		t.Errorf("have %s\nwant %s", got, want)
	}
	if l.SeverityNumber != 13 || string(l.SeverityText) != "warning" || time.Since(time.Unix(0, int64(l.Time))) > time.Minute || l.ObservedTime < l.Time {
		t.Errorf("%d %s %d %d", l.SeverityNumber, l.SeverityText, l.Time, l.ObservedTime)
	}
}

func texts(a wire.Attributes) string {
	var out []string
	for a.Next() {
		out = append(out, string(a.Key())+"="+string(a.Value().AppendText(nil)))
	}
	return strings.Join(out, " ")
}

func TestArguments(t *testing.T) {
	c := Default()
	c.Units, c.Identifiers, c.Directory, c.Namespace, c.Priority = []string{"a.service", "b"}, []string{"sudo"}, "/j", "ns", "err..alert"
	got := strings.Join(c.arguments("s=1"), " ")
	want := "--output=export --follow --quiet --utc --priority=err..alert --unit=a.service --unit=b --identifier=sudo --directory=/j --namespace=ns --no-tail --after-cursor=s=1"
	if got != want {
		t.Errorf("have %s\nwant %s", got, want)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	err := (&Config{Priority: "err..loud", Units: []string{""}, Identifiers: []string{""}}).Validate()
	for _, key := range []string{"priority", "start_at", "journalctl_path", "units", "identifiers"} {
		if err == nil || !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("no fault names %q: %v", key, err)
		}
	}
}

// TestREADME loads the example of README.md and compares the documented defaults with the real ones.
func TestREADME(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(b)
	if example == nil {
		t.Fatal("no example")
	}
	var file struct {
		Receivers map[string]map[string]any `yaml:"receivers"`
	}
	if err := yaml.Unmarshal(example[1], &file); err != nil {
		t.Fatal(err)
	}
	for id, keys := range file.Receivers {
		c := Default()
		if err := confmap.NewFromStringMap(keys).Unmarshal(c); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	conf := confmap.New()
	if err := conf.Marshal(Default()); err != nil {
		t.Fatal(err)
	}
	for key, value := range conf.ToStringMap() {
		row := regexp.MustCompile("(?m)^\\| `" + key + "` \\| ([^|]*) \\|").FindSubmatch(b)
		want := fmt.Sprint(value)
		if want == "[]" || want == "" || value == nil {
			want = "none"
		}
		if row == nil || strings.Trim(string(row[1]), "`") != want {
			t.Errorf("README.md does not say that the default of %q is %s: %s", key, want, row)
		}
	}
}

func TestNoPipeline(t *testing.T) {
	j := newJournal(t)
	r, err := New(j.settings, j.cfg, pipeline.Outputs{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
