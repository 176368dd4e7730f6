package detect

import "bytes"

// Kinds of keys: what they are about, and which.
const (
	keySeverity       = Severity | 1<<4
	keySeverityNumber = Severity | 2<<4
	keyTraceID        = Trace | 1<<4
	keySpanID         = Trace | 2<<4
	keyFlags          = Trace | 3<<4
	keyGoogleTrace    = Trace | 4<<4
)

// kindOf returns what a key is; 0: nothing of ours. The names are those of logging libraries, of OpenTelemetry's
// instrumentations, of ECS, GELF, Serilog and Google Cloud.
func kindOf(key []byte) int {
	switch string(key) {
	case "level", "Level", "LEVEL", "severity", "Severity", "SEVERITY", "lvl", "loglevel", "log_level", "logLevel", "log.level", "@l", "@level", "levelname", "levelName",
		"severity_text", "severityText", "SeverityText":
		return keySeverity
	case "severity_number", "severityNumber", "SeverityNumber":
		return keySeverityNumber
	case "trace_id", "traceId", "traceID", "traceid", "TraceId", "TraceID", "trace.id", "otelTraceID", "@tr":
		return keyTraceID
	case "span_id", "spanId", "spanID", "spanid", "SpanId", "SpanID", "span.id", "otelSpanID", "@sp", "logging.googleapis.com/spanId":
		return keySpanID
	case "trace_flags", "traceFlags", "TraceFlags":
		return keyFlags
	case "logging.googleapis.com/trace":
		return keyGoogleTrace
	}
	return 0
}

// OpenTelemetry's severity numbers.
const (
	trace  = 1
	debug  = 5
	info   = 9
	info2  = 10
	warn   = 13
	failed = 17
	error2 = 18
	error3 = 19
	fatal  = 21
	most   = 24
)

// take reads a value; the first of a kind counts.
func (f *Found) take(kind int, value []byte, isText bool) {
	switch kind {
	case keySeverity:
		if n := severity(value); n != 0 && f.SeverityText == nil {
			f.SeverityText = value
			if f.Severity == 0 {
				f.Severity = n
			}
		}
	case keySeverityNumber:
		if n, ok := number(value); ok && n >= 1 && n <= most && f.Severity == 0 {
			f.Severity = uint8(n)
		}
	case keyTraceID:
		f.trace(value)
	case keyGoogleTrace: // projects/<id>/traces/<trace>
		f.trace(value[bytes.LastIndexByte(value, '/')+1:])
	case keySpanID:
		if !f.HasSpan && len(value) == 2*len(f.SpanID) {
			f.HasSpan = fromHex(f.SpanID[:], value)
		}
	case keyFlags:
		var b [1]byte
		if n, ok := number(value); !isText && ok && n <= 255 {
			f.Flags, f.HasFlags = uint8(n), true
		} else if len(value) == 2 && (fromHex(b[:], value) || string(value) == "00") {
			f.Flags, f.HasFlags = b[0], true
		}
	}
}

func (f *Found) trace(value []byte) {
	if !f.HasTrace && len(value) == 2*len(f.TraceID) {
		f.HasTrace = fromHex(f.TraceID[:], value)
	}
}

// fromHex decodes exactly; all zeros are not valid.
func fromHex(dst, s []byte) bool {
	var any byte
	for i := range dst {
		hi, lo := digits[s[2*i]], digits[s[2*i+1]]
		if hi|lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
		any |= dst[i]
	}
	return any != 0
}

var digits = func() (d [256]byte) {
	for i := range d {
		switch c := byte(i); {
		case c >= '0' && c <= '9':
			d[i] = c - '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			d[i] = c | 0x20 - 'a' + 10
		default:
			d[i] = 0xff
		}
	}
	return d
}()

// number reads up to three decimal digits.
func number(s []byte) (n int, ok bool) {
	if len(s) == 0 || len(s) > 3 {
		return 0, false
	}
	for _, c := range s {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// severity returns the number of a word, of a syslog priority (0 to 7) or of a level as pino and bunyan have it (10 to 60).
func severity(word []byte) uint8 {
	if n, ok := number(word); ok {
		switch {
		case n <= 7:
			return [...]uint8{fatal, error3, error2, failed, warn, info2, info, debug}[n]
		case n >= 10 && n <= 69:
			return [...]uint8{trace, debug, info, warn, failed, fatal}[n/10-1]
		}
		return 0
	}
	if len(word) > textMax {
		return 0
	}
	offset := 0
	if i := bytes.IndexAny(word, "+-"); i > 0 { // log/slog: INFO+2
		n, ok := number(word[i+1:])
		if !ok || n > 4 {
			return 0
		}
		if offset = n; word[i] == '-' {
			offset = -n
		}
		word = word[:i]
	}
	var buf [textMax]byte
	lower := buf[:len(word)]
	for i, c := range word {
		if c-'A' < 26 {
			c |= 0x20
		}
		lower[i] = c
	}
	n := int(wordSeverity(lower))
	if n == 0 {
		return 0
	}
	return uint8(min(max(n+offset, trace), most))
}

// wordSeverity follows the OpenTelemetry log data model, and for syslog's words its mapping of syslog.
func wordSeverity(lower []byte) uint8 {
	switch string(lower) {
	case "trace", "trc", "verbose", "vrb", "finest", "t":
		return trace
	case "debug", "dbg", "debg", "fine", "finer", "d":
		return debug
	case "info", "inf", "information", "informational", "config", "i":
		return info
	case "notice":
		return info2
	case "warn", "wrn", "warning", "w":
		return warn
	case "error", "err", "eror", "severe", "e":
		return failed
	case "critical", "crit", "dpanic":
		return error2
	case "alert":
		return error3
	case "fatal", "ftl", "panic", "emerg", "emergency", "f":
		return fatal
	}
	return 0
}
