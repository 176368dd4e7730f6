package nodemetrics_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sluiceio/sluice/kube/kubetest/clusters"
	"github.com/sluiceio/sluice/kube/kubetest/nodemetrics"
)

func node(after time.Duration) *nodemetrics.Node {
	c := clusters.New(2, 12, 1)
	return &nodemetrics.Node{Name: clusters.NodeName(0), Started: clusters.Born, Now: clusters.Born.Add(after), Pods: c.PodsOn(clusters.NodeName(0))}
}

// values reads an exposition with Prometheus' own parser: series to value, and the types.
func values(t *testing.T, text []byte) (map[string]float64, map[string]dto.MetricType) {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	out, types := map[string]float64{}, map[string]dto.MetricType{}
	for name, f := range families {
		types[name] = f.GetType()
		for _, m := range f.Metric {
			var key strings.Builder
			key.WriteString(name)
			for _, l := range m.Label {
				key.WriteString("," + l.GetName() + "=" + l.GetValue())
			}
			if _, twice := out[key.String()]; twice {
				t.Errorf("%s is there twice", key.String())
			}
			out[key.String()] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetHistogram().GetSampleSum()
		}
	}
	return out, types
}

func TestSeriesMoveWithTime(t *testing.T) {
	for name, of := range map[string]func(*nodemetrics.Node) []byte{
		"kubelet": (*nodemetrics.Node).Kubelet, "cadvisor": (*nodemetrics.Node).CAdvisor, "resource": (*nodemetrics.Node).Resource, "probes": (*nodemetrics.Node).Probes,
	} {
		early, types := values(t, of(node(time.Hour)))
		late, _ := values(t, of(node(time.Hour+time.Minute)))
		if !slices.Equal(slices.Sorted(maps.Keys(early)), slices.Sorted(maps.Keys(late))) {
			t.Errorf("%s: the series are others after a minute", name)
		}
		grown := 0
		for series, v := range early {
			family, _, _ := strings.Cut(series, ",")
			if types[family] == dto.MetricType_COUNTER && late[series] < v {
				t.Errorf("%s: %s went from %v to %v", name, series, v, late[series])
			}
			if late[series] > v {
				grown++
			}
		}
		if grown == 0 {
			t.Errorf("%s: nothing moves", name)
		}
	}
}

func TestWhatDashboardsChooseBy(t *testing.T) {
	n := node(time.Hour)
	cadvisor, _ := values(t, n.CAdvisor())
	count := func(family string, parts ...string) (found int) {
		for series := range cadvisor {
			if strings.HasPrefix(series, family+",") && !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(series+",", p+",") }) {
				found++
			}
		}
		return found
	}
	containers, pods := 0, 0
	for _, p := range n.Pods {
		for _, s := range p.Status.ContainerStatuses {
			if s.State.Running != nil {
				containers++
			}
		}
		if p.Status.Phase == "Running" {
			pods++
		}
	}
	const cpu = "container_cpu_usage_seconds_total"
	if total, none := count(cpu), count(cpu, ",container="); total-none != containers || count(cpu, ",id=/") != 1 || count(cpu, "pod=") == 0 {
		t.Errorf("%d rows, %d without a container; the node has %d containers", total, none, containers)
	}
	pause, slices := 0, 0
	for series := range cadvisor {
		if strings.HasPrefix(series, cpu+",") && strings.Contains(series, "pause") {
			pause++
		}
		if strings.HasPrefix(series, cpu+",") && strings.Contains(series, ",image=,") && strings.Contains(series, "-pod") {
			slices++
		}
	}
	if pause != pods || slices != pods {
		t.Errorf("%d sandboxes and %d slices of %d pods", pause, slices, pods)
	}
	resource, _ := values(t, n.Resource())
	if resource["node_cpu_usage_seconds_total"] == 0 || resource["node_memory_working_set_bytes"] == 0 {
		t.Errorf("the node has no usage: %v", resource)
	}
	text, err := n.Summary()
	var s struct {
		Node struct{ NodeName string }
		Pods []struct {
			PodRef     struct{ UID string }
			Containers []struct {
				CPU struct{ UsageCoreNanoSeconds uint64 }
			}
		}
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil || s.Node.NodeName != n.Name || len(s.Pods) != pods || s.Pods[0].Containers[0].CPU.UsageCoreNanoSeconds == 0 {
		t.Errorf("%v, %s", err, text)
	}
}
