package logql

// All times are Unix ns.

// A LineQuery asks for the newest or oldest lines of a selection.
type LineQuery struct {
	Log        *LogExpr
	From, To   int64 // inclusive
	Limit      int
	Forward    bool // the oldest first
	Categorize bool // separate metadata and parsed labels from the stream's
}

// A Stream is lines with equal labels.
type Stream struct {
	Labels  []Label
	Entries []Entry
}

// An Entry is a line. Meta and Parsed are set if Categorize is.
type Entry struct {
	Time         int64
	Line         string
	Meta, Parsed []Label
}

// A StreamQuery asks about streams with rows in the range that match any selector; none selects all.
type StreamQuery struct {
	Selectors []Selector
	From, To  int64 // inclusive
}

// A SizeQuery asks for the size of streams, in total or for each Step.
type SizeQuery struct {
	Selector Selector
	From, To int64 // inclusive
	Step     int64
	Labels   []string // wanted labels; nil: all
}

// A StreamSize is a part of a stream's size.
type StreamSize struct {
	Stream      string // a unique id, valid until the call returns
	Labels      []Label
	Rows, Bytes uint64 // bytes are those of lines
	Part        int    // which part of the range
}
