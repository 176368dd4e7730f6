package ottl

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/ottl/syntax"
	"github.com/sluiceio/sluice/wire"
)

// A Mode says what an error of a statement does.
type Mode uint8

// The modes. Ignore goes on and reports, Silent goes on, Propagate reports and ends the request.
const (
	Ignore Mode = iota
	Silent
	Propagate
)

var modes = []string{"ignore", "silent", "propagate"}

// ParseMode reads a Mode.
func ParseMode(text string) (Mode, bool) {
	i := slices.Index(modes, strings.ToLower(text))
	return Mode(max(i, 0)), i >= 0
}

// A Block is statements that run one after the other for each record, if any of the conditions holds or there is none.
// Without a context it is inferred, and all paths must name theirs.
type Block struct {
	Context    string
	Conditions []string
	Statements []string
	Mode       Mode
}

// A Fault is something wrong in a block.
type Fault struct {
	Block     int
	Condition bool // in Conditions, else in Statements
	Index     int  // -1 for the block as a whole
	Text      string
	Err       error
}

// Program is compiled blocks. It may run concurrently.
type Program struct {
	trace  func(Step) // nil: nobody looks on
	signal wire.Signal
	passes []pass
	client clientUse
}

// A pass is blocks that one walk over the request runs.
type pass struct {
	context Context
	blocks  []*block
}

type block struct {
	context    Context
	mode       Mode
	conditions []*statement
	statements []*statement
	outside    bool // writes a message that other records read, too
}

// A statement is an action and its condition, or a condition alone.
type statement struct {
	text string
	when condition
	do   action

	failed  atomic.Int64 // since it was reported
	nextLog atomic.Int64 // unix ns
}

// Report is told of errors: the statement, its error, and how many there were since the last time.
type Report func(text string, err error, count int64)

// reportEvery bounds the reports of a statement.
const reportEvery = time.Minute

func (s *statement) fail(err error, report Report) {
	s.failed.Add(1)
	at, due := time.Now().UnixNano(), s.nextLog.Load()
	if at < due || report == nil || !s.nextLog.CompareAndSwap(due, at+int64(reportEvery)) {
		return
	}
	report(s.text, err, s.failed.Swap(0))
}

// ContextsOf are the contexts that a signal has, the most inner first, which is the order in which one is inferred.
func ContextsOf(s wire.Signal) []Context {
	switch s {
	case wire.Logs:
		return []Context{Log, Scope, Resource}
	case wire.Traces:
		return []Context{SpanEvent, Span, Scope, Resource}
	case wire.Metrics:
		return []Context{DataPoint, Metric, Scope, Resource}
	}
	return nil
}

// Compile makes a program of blocks for a signal. All faults are reported at once.
func Compile(signal wire.Signal, blocks []Block) (*Program, []Fault) {
	p := &Program{signal: signal}
	var faults []Fault
	for i, b := range blocks {
		compiled, found := compileBlock(signal, b, &p.client)
		for j := range found {
			found[j].Block = i
		}
		faults = append(faults, found...)
		p.add(compiled)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return p, nil
}

// MetadataKeys are the headers of requests that the statements ask for.
func (p *Program) MetadataKeys() []string { return p.client.keys }

// Empty reports whether there is nothing to run.
func (p *Program) Empty() bool { return len(p.passes) == 0 }

// add puts a block into the last pass where the result is the same as in a pass of its own: if no record reads what
// the block wrote for another.
func (p *Program) add(b *block) {
	if n := len(p.passes); n > 0 && b.context > Scope && p.passes[n-1].context == b.context {
		last := p.passes[n-1].blocks
		if !b.outside && !last[len(last)-1].outside {
			p.passes[n-1].blocks = append(last, b)
			return
		}
	}
	p.passes = append(p.passes, pass{b.context, []*block{b}})
}

// parsed are the trees of a block.
type parsed struct {
	conditions []syntax.Expr
	statements []*syntax.Statement
}

func compileBlock(signal wire.Signal, b Block, client *clientUse) (*block, []Fault) {
	var faults []Fault
	add := func(condition bool, index int, text string, err error) {
		faults = append(faults, Fault{Condition: condition, Index: index, Text: text, Err: err})
	}
	var trees parsed
	for i, text := range b.Conditions {
		e, f := syntax.ParseCondition(text)
		if f != nil {
			add(true, i, text, f)
		}
		trees.conditions = append(trees.conditions, e)
	}
	for i, text := range b.Statements {
		s, f := syntax.ParseStatement(text)
		if f != nil {
			add(false, i, text, f)
		}
		trees.statements = append(trees.statements, s)
	}
	out := &block{mode: b.Mode}
	var err error
	if out.context, err = trees.context(signal, b.Context); err != nil {
		if len(faults) == 0 {
			add(false, -1, "", err)
		}
		return out, faults
	}
	each := func(condition bool, index int, text string, compile func(c *compiler, s *statement)) *statement {
		c := &compiler{context: out.context, prefixed: b.Context == "", client: client}
		s := &statement{text: text}
		compile(c, s)
		for _, f := range c.faults {
			add(condition, index, text, f)
		}
		out.outside = out.outside || c.outside
		return s
	}
	for i, e := range trees.conditions {
		if e != nil {
			out.conditions = append(out.conditions, each(true, i, b.Conditions[i], func(c *compiler, s *statement) { s.when = c.condition(e) }))
		}
	}
	for i, tree := range trees.statements {
		if tree != nil {
			out.statements = append(out.statements, each(false, i, b.Statements[i], func(c *compiler, s *statement) {
				s.do, s.when = c.editor(tree.Call), c.condition(tree.Where)
			}))
		}
	}
	slices.SortStableFunc(faults, func(a, b Fault) int {
		if a.Condition != b.Condition {
			if a.Condition {
				return -1
			}
			return 1
		}
		return a.Index - b.Index
	})
	return out, faults
}

// context is the one that is named, or the most inner one that a path names.
func (t parsed) context(signal wire.Signal, name string) (Context, error) {
	may := ContextsOf(signal)
	if name != "" {
		c, ok := ParseContext(name)
		if name == "exemplar" || name == "profile" || name == "profilesample" {
			return 0, fmt.Errorf("the context %q is not supported; write one of %s, or remove the block", name, list(may))
		}
		if !ok || !slices.Contains(may, c) {
			return 0, fmt.Errorf("the context %q is not one of %s; write one of %s", name, signal, list(may))
		}
		return c, nil
	}
	seen := map[string]bool{}
	see := func(e syntax.Expr) {
		if p, ok := e.(*syntax.Path); ok && len(p.Segments) > 1 {
			seen[p.Segments[0].Name] = true
		}
	}
	for _, e := range t.conditions {
		syntax.Walk(e, see)
	}
	for _, s := range t.statements {
		if s != nil {
			syntax.Walk(s.Call, see)
			syntax.Walk(s.Where, see)
		}
	}
	seen["scope"] = seen["scope"] || seen["instrumentation_scope"]
	// A metric is reached from a data point, but a statement with both is for data points.
	for _, c := range may {
		if seen[c.String()] {
			return c, nil
		}
	}
	if seen["otelcol"] {
		return Resource, nil
	}
	return 0, fmt.Errorf("no path names its context; write one of %s in front of a path, such as %s.attributes", list(may), may[0])
}

func list(contexts []Context) string {
	var names []string
	for _, c := range contexts {
		names = append(names, c.String())
	}
	return strings.Join(names, ", ")
}
