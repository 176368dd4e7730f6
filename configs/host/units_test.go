package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// unit is a unit file's settings; a key that stands there twice has both values.
func unit(t *testing.T, daemon string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for line := range strings.Lines(read(t, daemon+"/sluice-"+daemon+".service")) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			out[key] = append(out[key], value)
		}
	}
	return out
}

// TestUnits: what a unit names is in its package, and the daemon has the time that it needs to stop.
func TestUnits(t *testing.T) {
	for _, daemon := range daemons {
		u := unit(t, daemon)
		name := "sluice-" + daemon
		want := map[string]string{
			"ExecStart":                "/usr/bin/" + name + " --config /etc/sluice/" + daemon + ".yaml --data-dir /var/lib/" + name,
			"ExecReload":               "/usr/bin/" + name + " validate --config /etc/sluice/" + daemon + ".yaml --data-dir /var/lib/" + name,
			"EnvironmentFile":          "-/etc/sluice/" + daemon + ".env",
			"User":                     name,
			"StateDirectory":           name,
			"StateDirectoryMode":       "0700",
			"RestartPreventExitStatus": "2 78",
			"NoNewPrivileges":          "yes",
			"CapabilityBoundingSet":    "",
			"ProtectSystem":            "strict",
		}
		for key, value := range want {
			if len(u[key]) == 0 || u[key][0] != value {
				t.Errorf("%s: %s is %q, not %q", name, key, u[key], value)
			}
		}
		if stop, err := time.ParseDuration(u["TimeoutStopSec"][0]); err != nil || stop < 30*time.Second {
			t.Errorf("%s: %v (%v) is too short for service::shutdown_timeout, 25 s", name, stop, err)
		}
		if !strings.Contains(read(t, daemon+"/sysusers.conf"), "u "+u["User"][0]+" ") {
			t.Errorf("%s: nobody makes its user", name)
		}
	}
}

// TestSystemdTakesTheUnits asks systemd itself, which warns of keys that it does not know, with the files of the deb.
func TestSystemdTakesTheUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not there")
	}
	var version int
	out, err := exec.Command(analyze, "--version").Output()
	if _, scan := fmt.Sscanf(string(out), "systemd %d", &version); err != nil || scan != nil || version < 250 {
		t.Skipf("systemd %d cannot check units below another root", version)
	}
	targets, err := filepath.Glob("/usr/lib/systemd/system/*.target")
	if err != nil || len(targets) == 0 {
		t.Skip("systemd's own targets are not there")
	}
	for _, daemon := range daemons {
		t.Run(daemon, func(t *testing.T) {
			data, _ := deb(t, pack(t, daemon, "deb"))
			root := t.TempDir()
			for name, f := range data {
				write(t, filepath.Join(root, name), f.text, os.FileMode(f.mode))
			}
			for _, target := range targets {
				write(t, filepath.Join(root, target), read(t, target), 0o644)
			}
			write(t, filepath.Join(root, "/bin/kill"), "#!/bin/sh\n", 0o755)
			for _, args := range []string{"verify", "security --offline=true --threshold=25"} {
				cmd := exec.Command(analyze, append(strings.Fields(args), "--no-pager", "--root="+root, "sluice-"+daemon+".service")...)
				out, err := cmd.CombinedOutput()
				if err != nil || args == "verify" && strings.Contains(string(out), "sluice-"+daemon) {
					t.Errorf("%s: %v\n%s", args, err, out)
				}
			}
		})
	}
}

// TestConfigurations: the packages' configurations are valid as they are installed, and the environment files name what they read.
func TestConfigurations(t *testing.T) {
	for daemon, path := range map[string]string{"agent": "agent/agent.yaml", "collector": "../collector.yaml"} {
		program, err := filepath.Abs("../../bin/sluice-" + daemon)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(program); err != nil {
			t.Fatal("make build first: ", err)
		}
		out, err := exec.Command(program, "validate", "--config", path).CombinedOutput()
		if err != nil || strings.Contains(string(out), "warning") {
			t.Errorf("%s: %v\n%s", path, err, out)
		}
		names := func(pattern, text string) (out []string) {
			for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
				out = append(out, m[1])
			}
			slices.Sort(out)
			return slices.Compact(out)
		}
		given := names(`(?m)^#?([A-Z_]+)=`, read(t, daemon+"/"+daemon+".env"))
		asked := names(`\$\{env:([A-Z_]+)`, read(t, path))
		if daemon == "agent" { // the detector env
			asked = append([]string{"OTEL_RESOURCE_ATTRIBUTES"}, asked...)
		}
		if !slices.Equal(given, asked) {
			t.Errorf("%s.env has %v, the configuration asks for %v", daemon, given, asked)
		}
	}
}
