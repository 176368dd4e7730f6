package dashboards

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/logs"
	"github.com/grafana/grafana-foundation-sdk/go/loki"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	figures "github.com/grafana/grafana-foundation-sdk/go/stat"
	tables "github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// sizes are default widths and heights.
var sizes = map[kind][2]uint32{
	lines: {8, 8}, stacked: {8, 8}, bars: {24, 6}, stat: {4, 4}, table: {24, 10}, logLines: {24, 12},
}

func (p panel) build() (dashboard.Panel, error) {
	out, err := p.look()
	if err != nil {
		return out, err
	}
	if len(p.queries) == 0 {
		return out, fmt.Errorf("the panel %q asks nothing", p.title)
	}
	ds := metricsRef()
	if p.queries[0].logQL {
		ds = logsRef()
	}
	out.Title, out.Description, out.Datasource = &p.title, &p.about, &ds
	out.Transparent, out.RepeatDirection = nil, nil
	size := sizes[p.kind]
	out.GridPos = &dashboard.GridPos{W: first(p.width, size[0]), H: first(p.height, size[1])}
	for i, q := range p.queries {
		t, err := q.target(p.kind, string(rune('A'+i)))
		if err != nil {
			return out, fmt.Errorf("panel %q: %w", p.title, err)
		}
		out.Targets = append(out.Targets, t)
	}
	if p.kind == table {
		out.Transformations = p.columns()
	}
	if out.FieldConfig == nil {
		out.FieldConfig = dashboard.NewFieldConfigSource()
	}
	p.field(out.FieldConfig)
	return out, nil
}

// look is what a kind's panels share.
func (p panel) look() (dashboard.Panel, error) {
	switch p.kind {
	case lines, stacked, bars:
		return p.chart().Build()
	case stat:
		b := figures.NewPanelBuilder().
			GraphMode(common.BigValueGraphModeArea).ColorMode(common.BigValueColorModeBackground).
			Orientation(common.VizOrientationAuto).
			ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{first(p.calc, "lastNotNull")}))
		if p.named {
			b.TextMode(common.BigValueTextModeValueAndName).GraphMode(common.BigValueGraphModeNone)
		}
		return b.Build()
	case table:
		return tables.NewPanelBuilder().
			ShowHeader(true).CellHeight(common.TableCellHeightSm).Filterable(true).
			SortBy([]cog.Builder[common.TableSortByFieldState]{common.NewTableSortByFieldStateBuilder().DisplayName(p.sort)}).
			Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{"sum"})).Build()
	case logLines:
		return logs.NewPanelBuilder().
			ShowTime(true).WrapLogMessage(true).EnableLogDetails(true).EnableInfiniteScrolling(true).
			SortOrder(common.LogsSortOrderDescending).DedupStrategy(common.LogsDedupStrategyNone).Build()
	}
	return dashboard.Panel{}, errors.New("BUG: a kind of panel without a look")
}

func (p panel) chart() *timeseries.PanelBuilder {
	b := timeseries.NewPanelBuilder().
		Legend(common.NewVizLegendOptionsBuilder().
			ShowLegend(true).DisplayMode(common.LegendDisplayModeTable).Placement(common.LegendPlacementBottom).
			Calcs([]string{"lastNotNull", "max"})).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)).
		LineWidth(1).FillOpacity(10).ShowPoints(common.VisibilityModeNever)
	stack := common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A")
	switch p.kind {
	case stacked:
		b.FillOpacity(40).Stacking(stack)
	case bars:
		b.DrawStyle(common.GraphDrawStyleBars).FillOpacity(80).Stacking(stack)
	}
	return b
}

// target converts the query. Only tables query an instant: a stat draws the range behind its figure.
func (q query) target(k kind, ref string) (variants.Dataquery, error) {
	var b cog.Builder[variants.Dataquery]
	switch {
	case q.logQL:
		b = loki.NewDataqueryBuilder().
			Datasource(logsRef()).Expr(q.expr).LegendFormat(q.legend).QueryType("range").RefId(ref)
	case k == table:
		b = prometheus.NewDataqueryBuilder().
			Datasource(metricsRef()).Expr(q.scoped()).LegendFormat(q.legend).RefId(ref).
			Format(prometheus.PromQueryFormatTable).Instant()
	default:
		b = prometheus.NewDataqueryBuilder().
			Datasource(metricsRef()).Expr(q.scoped()).LegendFormat(q.legend).RefId(ref).
			Format(prometheus.PromQueryFormatTimeSeries).Range().Exemplar(false)
	}
	return b.Build()
}

// field sets format and colours.
func (p panel) field(c *dashboard.FieldConfigSource) {
	f := &c.Defaults
	f.Unit, f.Min, f.Max = &p.unit, p.min, p.max
	f.Color = &dashboard.FieldColor{Mode: dashboard.FieldColorModeIdPaletteClassic}
	if p.kind == stat || len(p.steps) > 0 {
		f.Thresholds = thresholds(p.steps)
	}
	if p.kind == stat {
		f.Color.Mode = dashboard.FieldColorModeIdThresholds
	}
	if p.empty != "" {
		f.NoValue = &p.empty
	}
	if len(p.words) > 0 {
		to := map[string]dashboard.ValueMappingResult{}
		for v, w := range p.words {
			to[v] = dashboard.ValueMappingResult{Text: &w.text, Color: &w.colour}
		}
		f.Mappings = []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: to}}}
	}
	c.Overrides = []dashboard.DashboardFieldConfigSourceOverrides{} // Grafana wants the list even when it is empty
	for _, name := range slices.Sorted(maps.Keys(p.colours)) {
		c.Overrides = append(c.Overrides, override(name, dashboard.DynamicConfigValue{
			Id: "color", Value: map[string]any{"mode": "fixed", "fixedColor": p.colours[name]},
		}))
	}
	for _, q := range p.queries {
		if q.alarm != "" {
			c.Overrides = append(c.Overrides, override(q.legend,
				dashboard.DynamicConfigValue{Id: "custom.cellOptions", Value: map[string]any{"type": "color-text"}},
				dashboard.DynamicConfigValue{Id: "color", Value: map[string]any{"mode": "thresholds"}},
				dashboard.DynamicConfigValue{Id: "thresholds", Value: map[string]any{"mode": "absolute", "steps": []any{
					map[string]any{"color": "text", "value": nil}, map[string]any{"color": q.alarm, "value": 1e-9},
				}}}))
		}
	}
}

func override(series string, set ...dashboard.DynamicConfigValue) dashboard.DashboardFieldConfigSourceOverrides {
	return dashboard.DashboardFieldConfigSourceOverrides{
		Matcher: dashboard.MatcherConfig{Id: "byName", Options: series}, Properties: set,
	}
}

// thresholds are colours by value; without steps all are blue.
func thresholds(steps []step) *dashboard.ThresholdsConfig {
	t := &dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute}
	if len(steps) == 0 {
		t.Steps = []dashboard.Threshold{{Color: "blue"}}
	}
	for i, s := range steps {
		at := dashboard.Threshold{Color: s.colour}
		if i > 0 { // the first one begins at minus infinity, which JSON has no number for
			at.Value = &s.from
		}
		t.Steps = append(t.Steps, at)
	}
	return t
}

// columns merges a table's queries into rows and names the values.
func (p panel) columns() []dashboard.DataTransformerConfig {
	names := map[string]string{}
	for i, q := range p.queries {
		names["Value #"+string(rune('A'+i))] = q.legend
	}
	return []dashboard.DataTransformerConfig{
		{Id: "merge", Options: map[string]any{}},
		{Id: "organize", Options: map[string]any{"excludeByName": map[string]bool{"Time": true}, "renameByName": names}},
	}
}

func first[T comparable](a, b T) T {
	var zero T
	if a != zero {
		return a
	}
	return b
}
