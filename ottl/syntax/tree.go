// Package syntax reads OTTL statements and conditions into trees. What names mean is the business of package ottl.
package syntax

// A Statement is an editor's call and its condition, nil for always.
type Statement struct {
	Text  string
	Call  *Call
	Where Expr
}

// An Expr is a node. At is its byte offset in the text.
type Expr interface{ At() int }

type at int

// At implements Expr.
func (a at) At() int { return int(a) }

// A Literal is a nil, bool, int64, float64, string or []byte.
type Literal struct {
	at
	Value any
}

// An Enum is a name in capital letters.
type Enum struct {
	at
	Name string
}

// A Path is segments with dots between, each with keys.
type Path struct {
	at
	Segments []Segment
}

// A Segment is a name of a path and the keys behind it.
type Segment struct {
	At   int
	Name string
	Keys []Expr
}

// A Call is the call of an editor or converter. Converters may be indexed.
type Call struct {
	at
	Name string
	Args []Arg
	Keys []Expr
}

// An Arg is an argument, named or not. One that is only the name of a converter is an Enum or a Name.
type Arg struct {
	At    int
	Name  string
	Value Expr
}

// A Name is a converter given as an argument, without a call.
type Name struct {
	at
	Name string
}

// A List is a list of values.
type List struct {
	at
	Values []Expr
}

// A Map is a map with literal keys.
type Map struct {
	at
	Keys   []string
	Values []Expr
}

// A Math is an arithmetic operation: + - * /. Of a negation X is nil.
type Math struct {
	at
	Op   byte
	X, Y Expr
}

// A Compare is a comparison: == != < <= > >=.
type Compare struct {
	at
	Op   string
	X, Y Expr
}

// A Logic is several conditions joined by and, or by or.
type Logic struct {
	at
	Or bool
	X  []Expr
}

// A Not is a negated condition.
type Not struct {
	at
	X Expr
}

// Walk calls visit for e and everything below it.
func Walk(e Expr, visit func(Expr)) {
	if e == nil {
		return
	}
	visit(e)
	all := func(list []Expr) {
		for _, x := range list {
			Walk(x, visit)
		}
	}
	switch e := e.(type) {
	case *Path:
		for _, s := range e.Segments {
			all(s.Keys)
		}
	case *Call:
		for _, a := range e.Args {
			Walk(a.Value, visit)
		}
		all(e.Keys)
	case *List:
		all(e.Values)
	case *Map:
		all(e.Values)
	case *Math:
		Walk(e.X, visit)
		Walk(e.Y, visit)
	case *Compare:
		Walk(e.X, visit)
		Walk(e.Y, visit)
	case *Logic:
		all(e.X)
	case *Not:
		Walk(e.X, visit)
	}
}
