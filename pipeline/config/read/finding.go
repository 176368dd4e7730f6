package read

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
)

// A Finding is one thing that is wrong, or odd, at one place of the configuration.
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

// Warning is a finding that does not keep the configuration from running.
type Warning = Finding

// Faults is everything that keeps a configuration from running, in the order of the files and their lines.
type Faults []Finding

// Error prints one fault a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, g := range f {
		lines[i] = g.String()
	}
	return strings.Join(lines, "\n")
}

// Report collects what is found while a configuration is read.
type Report struct {
	Faults   []Finding
	warnings []Finding
}

// At is a spot in the configuration that a finding can be about.
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

// Ignorable is a fault that --allow-ignored-keys turns into a warning.
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

// Finish sorts, drops repetitions, and takes secrets out of the texts.
func (r *Report) Finish(secrets []string) ([]Warning, Faults) {
	hide := Redactor(secrets)
	order := func(list []Finding) []Finding {
		for i := range list {
			list[i].Text = hide.Replace(list[i].Text)
		}
		slices.SortStableFunc(list, func(a, b Finding) int {
			return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.Place.Line, b.Place.Line), cmp.Compare(a.column, b.column))
		})
		seen := map[Finding]bool{}
		return slices.DeleteFunc(list, func(f Finding) bool {
			again := seen[f]
			seen[f] = true
			return again
		})
	}
	return order(r.warnings), order(r.Faults)
}

// Unsupported is what is said of everything that an existing Collector file may rightly contain.
const Unsupported = "known to the Collector but not supported"

// joinPath writes a path as the Collector does.
func joinPath(path []string) string { return strings.Join(path, delimiter) }

// delimiter stands between the keys of a path, also inside a YAML key, as in the Collector's confmap.
const delimiter = "::"

// oneLine keeps the promise of one finding a line for texts that libraries wrote over several.
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
