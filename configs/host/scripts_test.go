package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestScripts runs the packages' scripts with what dpkg and rpm say, between programs that write down how they are called.
func TestScripts(t *testing.T) {
	const (
		user    = "systemd-sysusers sluice-agent.conf"
		reload  = "systemctl daemon-reload"
		restart = "systemctl try-restart sluice-agent.service"
		stop    = "systemctl disable --now sluice-agent.service"
	)
	f := func(script, args string, want ...string) {
		t.Helper()
		for _, booted := range []bool{true, false} {
			called, state := runScript(t, script, args, booted)
			expect := strings.Join(want, "\n")
			if !booted { // an image is built: systemctl would fail
				expect = ""
				if script == "after-install.sh" {
					expect = user
				}
			}
			if called != expect {
				t.Errorf("%s %s, booted %v: called\n%s\nnot\n%s", script, args, booted, called, expect)
			}
			if state == (args == "purge") {
				t.Errorf("%s %s: what was not delivered is kept: %v", script, args, state)
			}
		}
	}
	f("after-install.sh", "configure", user, reload)
	f("after-install.sh", "configure 1.0.0", user, reload, restart)
	f("after-install.sh", "1", user, reload)
	f("after-install.sh", "2", user, reload, restart)
	f("before-remove.sh", "remove", stop)
	f("before-remove.sh", "upgrade 2.0.0")
	f("before-remove.sh", "0", stop)
	f("before-remove.sh", "1")
	f("after-remove.sh", "remove", reload)
	f("after-remove.sh", "purge", reload)
	f("after-remove.sh", "upgrade 2.0.0", reload)
	f("after-remove.sh", "0", reload)
	f("after-remove.sh", "1", reload)
}

// runScript is what a script of the agent's package called, and whether the agent's state is there still.
func runScript(t *testing.T, script, args string, booted bool) (called string, state bool) {
	t.Helper()
	dir := t.TempDir()
	log, lib := filepath.Join(dir, "log"), filepath.Join(dir, "lib")
	for _, program := range []string{"systemctl", "systemd-sysusers"} {
		write(t, filepath.Join(dir, "bin", program), "#!/bin/sh\necho "+program+" \"$@\" >> "+log+"\n", 0o755)
	}
	write(t, filepath.Join(lib, "sluice-agent/queue"), "", 0o600)
	systemd := filepath.Join(dir, "systemd")
	if booted {
		if err := os.Mkdir(systemd, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.NewReplacer("/run/systemd/system", systemd, "/var/lib/", lib+"/").Replace(read(t, filepath.Join("agent", script)))
	cmd := exec.Command("/bin/sh", append([]string{"-c", text, script}, strings.Fields(args)...)...)
	cmd.Env = []string{"PATH=" + filepath.Join(dir, "bin") + ":/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", script, args, err, out)
	}
	b, err := os.ReadFile(log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(lib, "sluice-agent/queue"))
	return strings.TrimSpace(string(b)), err == nil
}

// TestBothPackagesAreAlike: the collector's are the agent's files with another name.
func TestBothPackagesAreAlike(t *testing.T) {
	for _, name := range []string{"after-install.sh", "before-remove.sh", "after-remove.sh", "sysusers.conf"} {
		if want := strings.ReplaceAll(read(t, "agent/"+name), "agent", "collector"); read(t, "collector/"+name) != want {
			t.Errorf("collector/%s is not agent/%s with another name", name, name)
		}
	}
}
