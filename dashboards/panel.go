package dashboards

import "strings"

// kind is a panel type.
type kind int

const (
	lines   kind = iota
	stacked      // areas that add up
	bars         // bars that add up
	stat         // one figure
	table        // one row for each set of labels, one column for each query
	logLines
)

// panel is what differs between panels of a kind.
type panel struct {
	kind  kind
	title string
	about string // what it shows, and what to do when it looks wrong
	unit  string // one of the SDK's units; required

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

// query is a PromQL or LogQL expression. PromQL selectors omit job and instance, which scoped adds.
type query struct {
	expr   string
	legend string // of a table: the title of the column
	logQL  bool
	wide   bool   // not limited to the chosen jobs and instances
	alarm  string // of a table: the colour of the column where it is not 0
}

// step is a colour from a value on.
type step struct {
	from   float64
	colour string
}

// word is a coloured text.
type word struct{ text, colour string }

const (
	good = "green"
	warn = "yellow"
	bad  = "red"
)

var notZero = []step{{0, good}, {1, bad}}

// busy is for what must not become full.
var busy = []step{{0, good}, {0.8, warn}, {0.95, bad}}

// onlyChosen selects by the dashboard's variables.
const onlyChosen = `job=~"$job",instance=~"$instance"`

// scoped adds onlyChosen to every selector (pair of braces) of a PromQL expression.
func (q query) scoped() string {
	if q.logQL || q.wide {
		return q.expr
	}
	e := strings.ReplaceAll(q.expr, "{}", "{\x00}")
	e = strings.ReplaceAll(e, "{", "{"+onlyChosen+",")
	return strings.ReplaceAll(e, ",\x00}", "}")
}

func number(v float64) *float64 { return &v }
