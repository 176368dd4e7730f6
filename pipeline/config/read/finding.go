package read

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
)

// A Finding is a fault or warning about one place of the configuration.
type Finding struct {
	Place pipeline.Place
	Path  string // "receivers::otlp::protocols"; empty when the finding is about a whole file
	Text  string // what is wrong; what to write instead

	source, column int // rank of the file on the command line, and column: for the order of printing
}

// String is file:line: path: text.
func (f Finding) String() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{f.Place.String(), f.Path, f.Text} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Warning is a Finding that does not prevent the start.
type Warning = Finding

// Faults are all findings that prevent the start, in file and line order.
type Faults []Finding

// Error prints one fault a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, g := range f {
		lines[i] = g.String()
	}
	return strings.Join(lines, "\n")
}

// Report collects findings.
type Report struct {
	Faults   []Finding
	warnings []Finding
}

// At is a place that a finding is about.
type At struct {
	Place  pipeline.Place
	source int
	column int
	Path   []string
}

func (r *Report) Fault(a At, format string, args ...any) {
	r.Faults = append(r.Faults, finding(a, fmt.Sprintf(format, args...)))
}

func (r *Report) Warn(a At, format string, args ...any) {
	r.warnings = append(r.warnings, finding(a, fmt.Sprintf(format, args...)))
}

// Ignorable reports a fault that --allow-ignored-keys makes a warning.
func (r *Report) Ignorable(allowed bool, a At, text string) {
	if allowed {
		r.Warn(a, "%s; ignored", text)
		return
	}
	r.Fault(a, "%s", text)
}

func finding(a At, text string) Finding {
	return Finding{Place: a.Place, Path: joinPath(a.Path), Text: oneLine(text), source: a.source, column: a.column}
}

// repeats reports whether f says what other says at the same place: a nested Validate, of a key that its parent has
// checked already.
func (f Finding) repeats(other Finding) bool {
	return f.Text == other.Text && f.Place == other.Place && f.source == other.source &&
		(strings.HasPrefix(f.Path, other.Path) || strings.HasPrefix(other.Path, f.Path))
}

// Finish sorts, deduplicates and redacts the findings.
func (r *Report) Finish(secrets []string) ([]Warning, Faults) {
	hide := Redactor(secrets)
	order := func(list []Finding) []Finding {
		for i := range list {
			list[i].Text = hide.Replace(list[i].Text)
		}
		slices.SortStableFunc(list, func(a, b Finding) int {
			return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.Place.Line, b.Place.Line), cmp.Compare(a.column, b.column))
		})
		var kept []Finding
		return slices.DeleteFunc(list, func(f Finding) bool {
			if slices.ContainsFunc(kept, f.repeats) {
				return true
			}
			kept = append(kept, f)
			return false
		})
	}
	return order(r.warnings), order(r.Faults)
}

// Unsupported is the text for what a valid Collector file may contain.
const Unsupported = "known to the Collector but not supported"

func joinPath(path []string) string { return strings.Join(path, delimiter) }

// delimiter separates the keys of a path, also inside a YAML key, as in confmap.
const delimiter = "::"

// oneLine joins multi-line texts of libraries: a finding is one line.
func oneLine(s string) string {
	if !strings.Contains(s, "\n") {
		return strings.TrimSpace(s)
	}
	var out []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "; ")
}
