package wire

// A Signal names one of the three kinds of telemetry and thereby the schema of a request.
type Signal uint8

// The signals. The zero Signal is none of them.
const (
	Metrics Signal = 1 + iota
	Logs
	Traces
)

// String returns the signal as configuration and metrics spell it.
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

// A Request is the body of one Export{Metrics,Logs,Trace}ServiceRequest in canonical form: what [Check] returned, or
// what was built with the append functions and editing functions of this package. Readers trust it. Appending one
// Request to another of the same signal merges them.
type Request []byte

// MaxDepth is how many arrays and maps an attribute value or a log body may hold inside one another.
const MaxDepth = 32

// Limits bound a request; 0 means no limit.
type Limits struct {
	MaxBytes int // encoded size of the request
	MaxItems int // data points, log records or spans
}

// Info tells what Check found in a request.
type Info struct {
	Items           int  // data points, log records or spans of the returned request
	RepairedStrings int  // strings whose invalid UTF-8 was replaced by U+FFFD
	Canonicalized   bool // the returned request is a rewritten copy and does not alias the body
}
