package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// board is a dashboard: its metadata, variables and rows.
type board struct {
	file  string
	uid   string // never changes: links and bookmarks use it
	title string // Area / View
	about string
	tags  []string // beside the common one

	member string // the metric that every job and instance of this dashboard has
	choose []choice
	event  event
	rows   []row
}

// row is a heading and its panels.
type row struct {
	title  string
	panels []panel
}

// choice is a variable besides job and instance.
type choice struct {
	name, label, about string
	query              string
	logs               bool // asks Loki
}

// event is an annotation: expr is its time in seconds.
type event struct{ name, expr string }

// commonTag links our dashboards.
const commonTag = "sluice"

// Data source variables; panels name no uid.
const (
	metricsSource = "datasource"
	logsSource    = "loki_datasource"
)

// refresh is twice the scrape interval of `sluice up`.
const refresh = "30s"

func (b board) build() (dashboard.Dashboard, error) {
	d := dashboard.NewDashboardBuilder(b.title).
		Uid(b.uid).
		Description(b.about).
		Tags(append([]string{commonTag}, b.tags...)).
		Timezone("browser").
		Readonly().
		Refresh(refresh).
		Time("now-1h", "now").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(built[dashboard.DashboardLink]{siblings()}).
		Annotations([]cog.Builder[dashboard.AnnotationQuery]{built[dashboard.AnnotationQuery]{stored()}, built[dashboard.AnnotationQuery]{b.event.annotation()}})
	for _, v := range b.variables() {
		d.WithVariable(built[dashboard.VariableModel]{v})
	}
	for i, r := range b.rows {
		// Ids do not change when other rows get panels, so that links to panels keep working.
		first := uint32(i+1) * 100
		d.WithRow(dashboard.NewRowBuilder(r.title).Id(first))
		for k, p := range r.panels {
			panel, err := p.build()
			if err != nil {
				return dashboard.Dashboard{}, err
			}
			id := first + uint32(k) + 1
			panel.Id = &id
			d.WithPanel(built[dashboard.Panel]{panel})
		}
	}
	return d.Build()
}

// built is a finished part that needs no builder.
type built[T any] struct{ part T }

// Build implements cog.Builder.
func (b built[T]) Build() (T, error) { return b.part, nil }

func (b board) variables() []dashboard.VariableModel {
	of := func(sel string) string { return "label_values(" + b.member + sel + ", " }
	choose := append([]choice{
		{name: "job", label: "Job", query: of("") + "job)"},
		{name: "instance", label: "Instance", query: of(`{job=~"$job"}`) + "instance)"},
	}, b.choose...)
	vars := []dashboard.VariableModel{
		source(metricsSource, "Metrics", "prometheus"),
		source(logsSource, "Logs", "loki"),
	}
	for _, c := range choose {
		vars = append(vars, c.variable())
	}
	return vars
}

// siblings links to our dashboards with the time range, but without variables: an instance is a node on one and a
// process on the other, and an unknown value would show nothing.
func siblings() dashboard.DashboardLink {
	return dashboard.DashboardLink{
		Title: "Sluice", Type: dashboard.DashboardLinkTypeDashboards, Tags: []string{commonTag},
		AsDropdown: true, KeepTime: true,
	}
}

// source is a data source variable; Grafana defaults to the default source of its type.
func source(name, label, plugin string) dashboard.VariableModel {
	return dashboard.VariableModel{
		Type: dashboard.VariableTypeDatasource, Name: name, Label: &label, Query: &dashboard.StringOrMap{String: &plugin},
		Hide: ptr(dashboard.VariableHideDontHide),
	}
}

// variable is a multi-select that defaults to all.
func (c choice) variable() dashboard.VariableModel {
	ds := metricsRef()
	if c.logs {
		ds = logsRef()
	}
	v := dashboard.VariableModel{
		Type: dashboard.VariableTypeQuery, Name: c.name, Label: &c.label, Datasource: &ds,
		Query: &dashboard.StringOrMap{String: &c.query}, Definition: &c.query,
		Multi: ptr(true), IncludeAll: ptr(true), AllValue: ptr(".+"), Hide: ptr(dashboard.VariableHideDontHide),
		Refresh: ptr(dashboard.VariableRefreshOnTimeRangeChanged), Sort: ptr(dashboard.VariableSortAlphabeticalAsc),
		Current: &dashboard.VariableOption{
			Selected: ptr(true), Text: dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
			Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
		},
	}
	if c.about != "" {
		v.Description = &c.about
	}
	return v
}

// stored is Grafana's built-in annotation query. Grafana adds it if missing, and some versions cannot open a
// dashboard without the list.
func stored() dashboard.AnnotationQuery {
	return dashboard.AnnotationQuery{
		Name: "Annotations & Alerts", Enable: true, Hide: ptr(true), IconColor: "rgba(0, 211, 255, 1)",
		Type: ptr("dashboard"), BuiltIn: number(1),
		Datasource: &common.DataSourceRef{Type: ptr("grafana"), Uid: ptr("-- Grafana --")},
	}
}

func (e event) annotation() dashboard.AnnotationQuery {
	ds := metricsRef()
	return dashboard.AnnotationQuery{
		Name: e.name, Enable: true, Hide: ptr(false), IconColor: "purple", Datasource: &ds,
		Expr: ptr("(" + query{expr: e.expr}.scoped() + ") * 1000 > $__from"), UseValueForTime: ptr(true),
		TitleFormat: &e.name, TextFormat: ptr("{{job}} {{instance}}"), Step: ptr("60s"),
	}
}

func metricsRef() common.DataSourceRef {
	return common.DataSourceRef{Type: ptr("prometheus"), Uid: ptr("${" + metricsSource + "}")}
}

func logsRef() common.DataSourceRef {
	return common.DataSourceRef{Type: ptr("loki"), Uid: ptr("${" + logsSource + "}")}
}

func ptr[T any](v T) *T { return &v }
