package logql

// What a log store is asked, and what it answers. All times are nanoseconds since 1970.

// A LineQuery asks for the newest or the oldest lines of a log selection.
type LineQuery struct {
	Log        *LogExpr
	From, To   int64 // both inside
	Limit      int
	Forward    bool // the oldest first
	Categorize bool // keep metadata and parsed labels apart from the stream's
}

// A Stream is lines with equal labels.
type Stream struct {
	Labels  []Label
	Entries []Entry
}

// An Entry is one line. Meta and Parsed are filled where the query keeps them apart.
type Entry struct {
	Time         int64
	Line         string
	Meta, Parsed []Label
}

// A StreamQuery asks about the streams that any of the selectors selects, or all when there is none, and that have rows in
// the range.
type StreamQuery struct {
	Selectors []Selector
	From, To  int64 // both inside
}

// A SizeQuery asks how much each stream has, in the whole range or, with a step, in each part of it.
type SizeQuery struct {
	Selector Selector
	From, To int64 // both inside
	Step     int64
	Labels   []string // those that are wanted; nil: all
}

// A StreamSize is what one stream has, or a piece of it.
type StreamSize struct {
	Stream      string // the same for all pieces, and for no other stream; only until the call returns
	Labels      []Label
	Rows, Bytes uint64 // bytes are those of lines
	Part        int    // which part of the range
}
