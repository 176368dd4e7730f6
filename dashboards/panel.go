package dashboards

import "strings"

// kind is how a panel looks.
type kind int

const (
	lines   kind = iota
	stacked      // areas that add up
	bars         // bars that add up
	stat         // one figure
	table        // one row for each set of labels, one column for each query
	logLines
)

// panel is what is particular to one panel. What is not said here is the same for all of its kind.
type panel struct {
	kind  kind
	title string
	about string // what it shows, and what to do or where to look when it looks wrong
	unit  string // one of the SDK's units; always set

	queries []query

	width, height uint32 // of 24 columns; 0 is the kind's own
	min, max      *float64
	steps         []step            // colours by value; none is one colour
	words         map[string]word   // text in place of a value
	colours       map[string]string // of series, by their legend
	calc          string            // how a stat becomes one figure; empty is the last value
	named         bool              // a stat shows the legend beside the figure
	empty         string            // what to say instead of "No data"
	sort          string            // the column by which a table is sorted
}

// query is one PromQL or LogQL expression. The selectors of PromQL are written without job and instance, which
// scoped adds to every one of them.
type query struct {
	expr   string
	legend string // of a table: the title of the column
	logQL  bool
	wide   bool   // the expression is about more than the chosen jobs and instances
	alarm  string // of a table: the colour of the column where it is not 0
}

// step is a colour that begins at a value.
type step struct {
	from   float64
	colour string
}

// word is a text with a colour.
type word struct{ text, colour string }

// Colours by their meaning.
const (
	good = "green"
	warn = "yellow"
	bad  = "red"
)

// anything that is not 0 is bad.
var notZero = []step{{0, good}, {1, bad}}

// busy colours what must not become full.
var busy = []step{{0, good}, {0.8, warn}, {0.95, bad}}

// onlyChosen limits a selector to what is chosen at the top of the dashboard.
const onlyChosen = `job=~"$job",instance=~"$instance"`

// scoped limits every selector of a PromQL expression, that is every pair of braces, to the chosen jobs and instances.
func (q query) scoped() string {
	if q.logQL || q.wide {
		return q.expr
	}
	e := strings.ReplaceAll(q.expr, "{}", "{\x00}")
	e = strings.ReplaceAll(e, "{", "{"+onlyChosen+",")
	return strings.ReplaceAll(e, ",\x00}", "}")
}

func number(v float64) *float64 { return &v }
