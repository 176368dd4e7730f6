package dashboards

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"
)

// runbooks has a page for each alert, with its lower-case name.
const runbooks = "https://github.com/sluiceio/sluice/blob/main/docs/runbooks/"

// critical pages somebody; warning is for working hours.
const (
	critical = "critical"
	warning  = "warning"
)

// alert is an alert rule.
type alert struct {
	name, severity       string
	expr                 string
	lasting              time.Duration
	summary, description string
}

func (a alert) rule() rulefmt.Rule {
	return rulefmt.Rule{
		Alert: a.name, Expr: a.expr, For: model.Duration(a.lasting),
		Labels: map[string]string{"severity": a.severity},
		Annotations: map[string]string{
			"summary": a.summary, "description": a.description,
			"runbook_url": runbooks + strings.ToLower(a.name) + ".md",
		},
	}
}

// newlyDropped is items dropped by accident in five minutes. increase misses the first drop, which creates the
// series, so a series without samples in the hour before counts completely. The hour bridges scrape gaps, after which
// old drops would look new.
const newlyDropped = `sum by (job, instance, component, signal, reason) (
  (
      sluice_component_dropped_items_total{` + byAccident + `}
    unless
      last_over_time(sluice_component_dropped_items_total{` + byAccident + `}[1h] offset 5m)
  ) > 0
  or
    increase(sluice_component_dropped_items_total{` + byAccident + `}[5m]) > 0
)`

// notReady is processes that accept nothing. If the store stores nothing, sluice_ready itself is missing, so an
// absent series that existed counts too.
const notReady = `(min by (job, instance) (sluice_ready) == 0)
or
  (absent_over_time(sluice_ready[5m]) and on () count(last_over_time(sluice_ready[1d])) > 0)`

// RuleGroups returns all rules.
func RuleGroups() rulefmt.RuleGroups {
	return rulefmt.RuleGroups{Groups: []rulefmt.RuleGroup{
		{
			Name: "sluice-node",
			Rules: []rulefmt.Rule{{
				Record: "instance:node_cpu_utilisation:rate5m",
				Expr:   `1 - avg without (cpu) (sum without (mode) (rate(node_cpu_seconds_total{mode=~"idle|iowait|steal"}[5m])))`,
			}},
		},
		{
			Name: "sluice-pipeline",
			Rules: []rulefmt.Rule{
				alert{
					name: "SluiceRecordsUnaccounted", severity: critical, lasting: time.Minute,
					expr:    `sluice_unaccounted_items > 0`,
					summary: "Sluice cannot say what became of some records.",
					description: `The ledger of {{ $labels.job }} on {{ $labels.instance }} cannot explain {{ $value }} items: ` +
						`they were neither delivered, nor refused, nor dropped for a reason, nor are they held. This is a bug.`,
				}.rule(),
				alert{
					name: "SluiceIntakeStopped", severity: critical, lasting: 2 * time.Minute,
					expr:    notReady,
					summary: "Sluice takes no telemetry in.",
					description: `{{ if $labels.instance }}{{ $labels.job }} on {{ $labels.instance }} is not ready{{ else }}` +
						`No process has said for five minutes that it is ready, or its store does not take that in{{ end }}: ` +
						`senders are told to try again, and what cannot wait is lost.`,
				}.rule(),
				alert{
					name: "SluiceRecordsDropped", severity: warning, lasting: time.Minute,
					expr:    newlyDropped,
					summary: "Sluice dropped records that nobody asked it to drop.",
					description: `{{ $labels.component }} of {{ $labels.job }} on {{ $labels.instance }} dropped ` +
						`about {{ printf "%.0f" $value }} items of {{ $labels.signal }} in the last five minutes: {{ $labels.reason }}. ` +
						`They will not be delivered.`,
				}.rule(),
				alert{
					name: "SluiceCanaryMissing", severity: critical, lasting: time.Minute,
					expr: `sum by (job, instance, canary, pipeline) (increase(sluice_canary_missing_records_total[15m])
  - increase(sluice_canary_late_records_total[15m])) > 0.5`,
					summary: "Records of a canary did not arrive.",
					description: `Of the numbered records of the canary {{ $labels.canary }}, about {{ printf "%.0f" $value }} did not come ` +
						`through the pipeline {{ $labels.pipeline }} of {{ $labels.job }} on {{ $labels.instance }} in the last 15 minutes. ` +
						`What travels the same way is lost or held up, too.`,
				}.rule(),
			},
		},
	}}
}

// EncodeRules encodes rules as the committed file.
func EncodeRules(groups rulefmt.RuleGroups) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Generated from dashboards/rules.go by `make dashboards`; change it there.\n")
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(groups); err != nil {
		return nil, fmt.Errorf("cannot encode the rules: %w", err)
	}
	return b.Bytes(), nil
}
