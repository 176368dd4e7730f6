package compose

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	promconfig "github.com/prometheus/prometheus/config"
	"go.yaml.in/yaml/v3"
)

// project is compose.yaml as Docker Compose reads it: an unknown key or a volume that is not declared is an error.
func project(t *testing.T) *types.Project {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{"compose.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// mounted is the file or folder of the repository that a service sees at path.
func mounted(s types.ServiceConfig, path string) string {
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind && v.Target == path {
			return v.Source
		}
	}
	return ""
}

// TestServices: each has what it mounts, a fixed version, and no rights that it does not need; only this machine reaches them.
func TestServices(t *testing.T) {
	p := project(t)
	for name, s := range p.Services {
		if s.Build == nil && !strings.Contains(s.Image, ":") {
			t.Errorf("%s: the image %s has no version", name, s.Image)
		}
		if s.Build != nil {
			if _, err := os.Stat(filepath.Join(s.Build.Context, "Dockerfile")); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if s.Privileged || len(s.CapAdd) > 0 || !reflect.DeepEqual(s.CapDrop, []string{"ALL"}) || !reflect.DeepEqual(s.SecurityOpt, []string{"no-new-privileges:true"}) || s.User == "root" || strings.HasPrefix(s.User, "0") {
			t.Errorf("%s: has rights that it does not need", name)
		}
		if s.ReadOnly == (name == "grafana") { // Grafana writes outside of its volume
			t.Errorf("%s: read_only is %v", name, s.ReadOnly)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open to other machines", name, port.Published)
			}
		}
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s: mounts what is not there: %v", name, err)
			}
			if !v.ReadOnly {
				t.Errorf("%s: may write to %s", name, v.Source)
			}
		}
	}
}

// TestConfigurationsOfSluice: the agent and the collector start with their arguments and environment.
func TestConfigurationsOfSluice(t *testing.T) {
	host := t.TempDir()
	for _, dir := range []string{"proc", "sys"} {
		if err := os.Mkdir(filepath.Join(host, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := project(t)
	for _, name := range []string{"agent", "collector"} {
		s := p.Services[name]
		args := []string{"validate"}
		for _, arg := range s.Command {
			if path, is := strings.CutPrefix(arg, "--config="); is {
				arg = "--config=" + mounted(s, path)
			}
			args = append(args, strings.ReplaceAll(arg, "=/host", "="+host))
		}
		cmd := exec.Command(program(t, "sluice-"+name), args...)
		for key, value := range s.Environment {
			cmd.Env = append(cmd.Env, key+"="+*value)
		}
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "warning") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("../../bin/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal("make build first: ", err)
	}
	return path
}

// listening are the addresses, as service:port, at which the configurations make the services listen.
func listening(t *testing.T) map[string]bool {
	t.Helper()
	var loki, tempo struct {
		Server struct {
			Port int `yaml:"http_listen_port"`
		} `yaml:"server"`
		Distributor struct {
			Receivers struct {
				OTLP struct {
					Protocols map[string]struct{ Endpoint string } `yaml:"protocols"`
				} `yaml:"otlp"`
			} `yaml:"receivers"`
		} `yaml:"distributor"`
	}
	decode(t, "loki.yaml", &loki)
	decode(t, "tempo.yaml", &tempo)
	_, otlp, err := net.SplitHostPort(tempo.Distributor.Receivers.OTLP.Protocols["http"].Endpoint)
	if err != nil {
		t.Fatal("tempo.yaml: ", err)
	}
	return map[string]bool{
		"prometheus:9090":                          true, // its default
		fmt.Sprintf("loki:%d", loki.Server.Port):   true,
		fmt.Sprintf("tempo:%d", tempo.Server.Port): true,
		"tempo:" + otlp:                            true,
	}
}

func decode(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// TestAddresses: each sends to, and Grafana asks, where somebody listens.
func TestAddresses(t *testing.T) {
	p, there := project(t), listening(t)
	f := func(who, address string) {
		t.Helper()
		u, err := url.Parse(address)
		if err != nil || !there[u.Host] {
			t.Errorf("%s: nobody listens at %s (%v); there are %v", who, address, err, there)
		}
	}
	for _, key := range []string{"PROMETHEUS_URL", "LOKI_URL", "TRACES_URL"} {
		f(key, *p.Services["collector"].Environment[key])
	}
	for _, d := range datasources(t, "grafana/datasources.yaml") {
		f(d["name"].(string), d["url"].(string))
	}
	published := p.Services["collector"].Ports
	if len(published) != 1 || published[0].Target != 4318 || *p.Services["agent"].Environment["SLUICE_COLLECTOR_ENDPOINT"] != "http://127.0.0.1:"+published[0].Published {
		t.Errorf("the agent does not send to the port of the collector: %v", published)
	}
}

// TestPrometheus: its configuration is valid, loads our rules, and it takes what the collector writes.
func TestPrometheus(t *testing.T) {
	s := project(t).Services["prometheus"]
	cfg, err := promconfig.LoadFile(mounted(s, "/etc/prometheus/prometheus.yaml"), false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	const rules = "/etc/prometheus/rules/sluice.yaml"
	if mounted(s, rules) == "" || len(cfg.RuleFiles) != 1 {
		t.Fatalf("no rules: %v", cfg.RuleFiles)
	}
	if is, err := filepath.Match(cfg.RuleFiles[0], rules); err != nil || !is {
		t.Errorf("%s does not name %s", cfg.RuleFiles[0], rules)
	}
	if !strings.Contains(strings.Join(s.Command, " "), "--web.enable-remote-write-receiver") {
		t.Error("Prometheus takes no remote write")
	}
}

func datasources(t *testing.T, file string) []map[string]any {
	t.Helper()
	var f struct {
		Datasources []map[string]any `yaml:"datasources"`
	}
	decode(t, file, &f)
	if len(f.Datasources) != 3 {
		t.Fatalf("%s: %d data sources", file, len(f.Datasources))
	}
	return f.Datasources
}

// TestDatasources: but for their addresses they are those of dashboards/, with the ways from one signal to the other.
func TestDatasources(t *testing.T) {
	ours, theirs := datasources(t, "grafana/datasources.yaml"), datasources(t, "../../dashboards/provisioning/datasources/sluice.yaml")
	for i := range ours {
		delete(ours[i], "url")
		delete(theirs[i], "url")
		if !reflect.DeepEqual(ours[i], theirs[i]) {
			t.Errorf("%v is not as in dashboards/provisioning:\n%v\n%v", ours[i]["name"], ours[i], theirs[i])
		}
	}
	s := project(t).Services["grafana"]
	var provider struct {
		Providers []struct {
			Options struct{ Path string } `yaml:"options"`
		} `yaml:"providers"`
	}
	decode(t, mounted(s, "/etc/grafana/provisioning/dashboards/sluice.yaml"), &provider)
	if len(provider.Providers) != 1 || filepath.Base(mounted(s, provider.Providers[0].Options.Path)) != "json" {
		t.Errorf("the dashboards are not where Grafana looks: %v", provider)
	}
}
