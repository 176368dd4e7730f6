package logql

import (
	"slices"
	"strconv"
	"time"
)

// Unsupported LogQL, besides unsupportedStages.
var unsupportedFunctions = []string{
	"sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "stddev_over_time", "stdvar_over_time",
	"quantile_over_time", "first_over_time", "last_over_time", "absent_over_time", "rate_counter", "label_replace",
	"stddev", "stdvar", "sort", "sort_desc", "approx_topk", "count_values", "quantile", "variants",
}

var (
	rangeFunctions = []string{"count_over_time", "rate", "bytes_over_time", "bytes_rate"}
	aggregations   = []string{"sum", "min", "max", "avg", "count", "topk", "bottomk"}
)

// maxDuration limits ranges and offsets, against overflows.
const maxDuration = 100 * 365 * 24 * time.Hour

// precedence is PromQL's; 0 is no operator.
func precedence(t token) int {
	if t.kind == ident {
		switch t.text {
		case "or":
			return 1
		case "and", "unless":
			return 2
		}
		return 0
	}
	if t.kind != symbol {
		return 0
	}
	switch t.text {
	case "==", "!=", ">", ">=", "<", "<=":
		return 3
	case "+", "-":
		return 4
	case "*", "/", "%":
		return 5
	case "^":
		return 6
	}
	return 0
}

// expr parses operators of precedence floor or higher, and their operands.
func (p *parser) expr(floor int) (Expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer p.shallower()
	l, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		op := p.peek()
		strength := precedence(op)
		if strength == 0 || strength < floor {
			return l, nil
		}
		if _, logs := l.(*LogExpr); logs {
			return nil, errorAt(p.query, op.pos, "syntax error: %s joins metric queries, not log selections", op.text)
		}
		if err := p.part(); err != nil {
			return nil, err
		}
		p.i++
		b := &BinaryExpr{Op: op.text, L: l}
		if err := p.modifiers(b, strength); err != nil {
			return nil, err
		}
		right := strength + 1
		if op.text == "^" { // binds to the right
			right = strength
		}
		start := p.peek().pos
		if b.R, err = p.expr(right); err != nil {
			return nil, err
		}
		if err := p.checkOperands(b, start); err != nil {
			return nil, err
		}
		l = b
	}
}

// checkOperands refuses log selections, and sets of numbers.
func (p *parser) checkOperands(b *BinaryExpr, start int) error {
	if _, logs := b.R.(*LogExpr); logs {
		return errorAt(p.query, start, "syntax error: %s joins metric queries, not log selections", b.Op)
	}
	if b.Op == "and" || b.Op == "or" || b.Op == "unless" {
		if isScalar(b.L) || isScalar(b.R) {
			return errorAt(p.query, start, "%s joins vectors; write vector(N) for a number", b.Op)
		}
	}
	return nil
}

// isScalar reports whether e is a number, not a vector.
func isScalar(e Expr) bool {
	switch e := e.(type) {
	case *NumberExpr:
		return true
	case *BinaryExpr:
		return isScalar(e.L) && isScalar(e.R)
	}
	return false
}

// modifiers parses what follows an operator.
func (p *parser) modifiers(b *BinaryExpr, strength int) error {
	if p.at(ident, "bool") {
		if strength != 3 {
			return p.unexpected("bool goes with a comparison")
		}
		p.i++
		b.Bool = true
	}
	if t := p.peek(); t.kind == ident {
		switch t.text {
		case "on", "ignoring", "group_left", "group_right":
			return unsupportedAt(p.query, t.pos, t.text)
		}
	}
	return nil
}

func (p *parser) operand() (Expr, error) {
	t := p.peek()
	switch {
	case t.kind == number:
		return p.number(1)
	case p.accept("-"):
		return p.number(-1)
	case p.accept("+"):
		return p.number(1)
	case t.kind == symbol && t.text == "{":
		return p.logExpr()
	case p.accept("("):
		e, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	case t.kind != ident:
		return nil, p.unexpected("expecting a query")
	}
	p.i++
	switch {
	case t.text == "vector":
		return p.vector()
	case slices.Contains(rangeFunctions, t.text):
		return p.rangeExpr(t.text)
	case slices.Contains(aggregations, t.text):
		return p.aggregation(t.text)
	case slices.Contains(unsupportedFunctions, t.text):
		return nil, unsupportedAt(p.query, t.pos, t.text)
	}
	return nil, errorAt(p.query, t.pos, "syntax error: %s is not a function of LogQL", t.text)
}

func (p *parser) number(sign float64) (Expr, error) {
	t, err := p.expectKind(number, "a number")
	if err != nil {
		return nil, err
	}
	v, ok := parseNumber(t.text)
	if !ok {
		return nil, errorAt(p.query, t.pos, "cannot read %s as a number", t.text)
	}
	return &NumberExpr{Value: sign * v}, nil
}

func (p *parser) vector() (Expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	sign := 1.0
	if p.accept("-") {
		sign = -1
	}
	n, err := p.number(sign)
	if err != nil {
		return nil, err
	}
	return &VectorExpr{Value: n.(*NumberExpr).Value}, p.expect(")")
}

// rangeExpr parses ( {selector} | stages [5m] offset 1h ). The range may precede the stages.
func (p *parser) rangeExpr(function string) (Expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	e := &RangeExpr{Func: function}
	if err := p.logRange(e); err != nil {
		return nil, err
	}
	if e.Range == 0 {
		return nil, p.unexpected("expecting a range such as [5m]")
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind == ident && (t.text == "by" || t.text == "without") {
		return nil, errorAt(p.query, t.pos, "syntax error: %s takes no grouping; aggregate it with sum %s (...)", function, t.text)
	}
	return e, nil
}

func (p *parser) logRange(e *RangeExpr) error {
	if err := p.deeper(); err != nil {
		return err
	}
	defer p.shallower()
	if p.accept("(") {
		if err := p.logRange(e); err != nil {
			return err
		}
		if err := p.expect(")"); err != nil {
			return err
		}
	} else {
		s, err := p.querySelector()
		if err != nil {
			return err
		}
		e.Log = &LogExpr{Selector: s}
	}
	for {
		n := len(e.Log.Stages)
		stages, err := p.stages(e.Log.Stages)
		if err != nil {
			return err
		}
		e.Log.Stages = stages
		found, err := p.window(e)
		if err != nil {
			return err
		}
		if !found && len(stages) == n {
			return nil
		}
	}
}

// window parses optional [5m] and offset.
func (p *parser) window(e *RangeExpr) (bool, error) {
	if e.Range == 0 && p.accept("[") {
		d, err := p.duration()
		if err != nil {
			return false, err
		}
		if d <= 0 {
			return false, errorAt(p.query, p.tokens[p.i-1].pos, "a range must be longer than 0")
		}
		e.Range = d
		return true, p.expect("]")
	}
	if e.Range > 0 && e.Offset == 0 && p.acceptWord("offset") {
		sign := time.Duration(1)
		if p.accept("-") {
			sign = -1
		}
		d, err := p.duration()
		e.Offset = sign * d
		return true, err
	}
	if t := p.peek(); t.kind == symbol && t.text == "@" {
		return false, unsupportedAt(p.query, t.pos, "@")
	}
	return false, nil
}

func (p *parser) duration() (time.Duration, error) {
	t, err := p.expectKind(number, "a duration such as 5m")
	if err != nil {
		return 0, err
	}
	d, ok := ParseDuration(t.text)
	if !ok {
		return 0, errorAt(p.query, t.pos, "cannot read %s as a duration", t.text)
	}
	if d > maxDuration {
		return 0, errorAt(p.query, t.pos, "%s is longer than 100 years", t.text)
	}
	return d, nil
}

// aggregation parses sum by (a) (...), sum(...) by (a), topk(5, ...).
func (p *parser) aggregation(op string) (Expr, error) {
	e := &AggExpr{Op: op}
	grouped, err := p.grouping(e)
	if err != nil {
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if op == "topk" || op == "bottomk" {
		t, err := p.expectKind(number, "how many series to keep")
		if err != nil {
			return nil, err
		}
		if e.Param, err = strconv.Atoi(t.text); err != nil || e.Param < 1 {
			return nil, errorAt(p.query, t.pos, "%s keeps a whole number of series, at least 1, not %s", op, t.text)
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
	start := p.peek()
	if e.Expr, err = p.expr(0); err != nil {
		return nil, err
	}
	if _, logs := e.Expr.(*LogExpr); logs {
		return nil, errorAt(p.query, start.pos,
			"syntax error: %s takes a metric query; wrap the selection in count_over_time(... [5m])", op)
	}
	if isScalar(e.Expr) {
		return nil, errorAt(p.query, start.pos, "syntax error: %s takes a vector, not a number", op)
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if !grouped {
		_, err = p.grouping(e)
	}
	return e, err
}

func (p *parser) grouping(e *AggExpr) (bool, error) {
	switch {
	case p.acceptWord("by"):
	case p.acceptWord("without"):
		e.Without = true
	default:
		return false, nil
	}
	if err := p.expect("("); err != nil {
		return false, err
	}
	for !p.accept(")") {
		if len(e.Grouping) > 0 {
			if err := p.expect(","); err != nil {
				return false, err
			}
		}
		t, err := p.expectKind(ident, "a label name")
		if err != nil {
			return false, err
		}
		e.Grouping = append(e.Grouping, t.text)
	}
	slices.Sort(e.Grouping)
	e.Grouping = slices.Compact(e.Grouping)
	return true, nil
}
