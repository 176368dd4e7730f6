package loki

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/store/logs/logql"
)

// Loki's defaults.
const (
	defaultSample = 100
	defaultFields = 1000
)

// A detected field is a label of rows or of their parsed lines.
type detected struct {
	name, kind string
	values     map[string]bool
	parsers    []string
}

// detectedFields samples the newest lines and lists their labels beside the stream's.
func (a *api) detectedFields(ctx context.Context, r request) ([]byte, error) {
	start, end, err := r.between(defaultRange)
	if err != nil {
		return nil, err
	}
	expr, err := logql.ParseLog(r.form.Get("query"))
	if err != nil {
		return nil, err
	}
	sample, err := r.number("line_limit", defaultSample)
	if err != nil {
		return nil, err
	}
	name := "limit"
	if !r.form.Has(name) {
		name = "field_limit" // its name in Loki 3.0
	}
	limit, err := r.number(name, defaultFields)
	if err != nil {
		return nil, err
	}
	streams, err := a.reader.Lines(ctx, logql.LineQuery{
		Log: expr, From: start.UnixNano(), To: end.UnixNano(), Limit: min(sample, maxLines), Categorize: true,
	})
	if err != nil {
		return nil, err
	}
	fields := map[string]*detected{}
	for _, st := range streams {
		for _, e := range st.Entries {
			detect(fields, st.Labels, e)
		}
	}
	return newAnswer(r).fields(fields, limit), nil
}

// detect adds a row. Lines that are not JSON objects are parsed as logfmt.
func detect(fields map[string]*detected, stream []logql.Label, e logql.Entry) {
	add := func(l logql.Label, parser string) {
		f := fields[l.Name]
		if f == nil {
			f = &detected{name: l.Name, kind: kindOf(l.Value), values: map[string]bool{}}
			fields[l.Name] = f
		}
		f.values[l.Value] = true
		if parser != "" && !slices.Contains(f.parsers, parser) {
			f.parsers = append(f.parsers, parser)
		}
	}
	for _, l := range e.Meta {
		add(l, "")
	}
	parser, row := "json", parseLine("json", stream, e)
	if row.Err() != "" {
		parser, row = "logfmt", parseLine("logfmt", stream, e)
	}
	for _, l := range row.Parsed {
		add(l, parser)
	}
	for _, l := range e.Parsed {
		if _, known := row.Get(l.Name); !known && !strings.HasPrefix(l.Name, "__") {
			add(l, "")
		}
	}
}

func parseLine(parser string, stream []logql.Label, e logql.Entry) *logql.Row {
	stages := logql.LogExpr{Stages: []logql.Stage{&logql.ParseStage{Parser: parser}}}
	row := &logql.Row{}
	row.Reset(e.Line, stream)
	stages.Process(row)
	return row
}

// kindOf guesses a value's type.
func kindOf(v string) string {
	if _, err := strconv.ParseInt(v, 10, 64); err == nil {
		return "int"
	}
	if _, err := strconv.ParseFloat(v, 64); err == nil {
		return "float"
	}
	if v == "true" || v == "false" {
		return "boolean"
	}
	if _, err := time.ParseDuration(v); err == nil {
		return "duration"
	}
	if logql.IsSize(v) {
		return "bytes"
	}
	return "string"
}

func (a *answer) fields(fields map[string]*detected, limit int) []byte {
	list := make([]*detected, 0, len(fields))
	for _, f := range fields {
		list = append(list, f)
	}
	slices.SortFunc(list, func(x, y *detected) int { return strings.Compare(x.name, y.name) })
	a.raw(`{"fields":[`)
	for i, f := range list[:min(limit, len(list))] {
		a.comma(i).raw(`{"label":`).str(f.name).raw(`,"type":"`).raw(f.kind)
		a.raw(`","cardinality":`).raw(strconv.Itoa(len(f.values))).raw(`,"parsers":`)
		if len(f.parsers) == 0 {
			a.raw("null")
		} else {
			slices.Sort(f.parsers)
			a.raw(`["`).raw(strings.Join(f.parsers, `","`)).raw(`"]`)
		}
		a.raw("}")
	}
	return a.raw(`],"limit":`).raw(strconv.Itoa(limit)).raw("}").b
}
