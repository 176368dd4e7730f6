package wire

// A Signal is metrics, logs or traces.
type Signal uint8

// The zero Signal is invalid.
const (
	Metrics Signal = 1 + iota
	Logs
	Traces
)

// String returns the signal as in configuration.
func (s Signal) String() string {
	switch s {
	case Metrics:
		return "metrics"
	case Logs:
		return "logs"
	case Traces:
		return "traces"
	}
	return "unknown"
}

// A Request is the body of an Export{Metrics,Logs,Trace}ServiceRequest in canonical form, as returned by [Check] or
// built with this package. Readers trust it. Concatenating Requests of one signal merges them.
type Request []byte

// MaxDepth is the maximum nesting of arrays and maps in a value.
const MaxDepth = 32

// Limits bound a request; 0 means no limit.
type Limits struct {
	MaxBytes int // encoded size of the request
	MaxItems int // data points, log records or spans
}

// Info is what Check found.
type Info struct {
	Items           int  // data points, log records or spans of the returned request
	RepairedStrings int  // strings whose invalid UTF-8 was replaced by U+FFFD
	Canonicalized   bool // the returned request is a rewritten copy and does not alias the body
}
