// Package detect finds the severity and the trace context that a line of text says of itself, if it is JSON, logfmt or klog's.
//
// detect.go has the forms of lines, words.go what keys and values mean.
package detect

import (
	"encoding/binary"

	"github.com/sluiceio/sluice/receivers/tail/jsontext"
)

// Found is what a line says. The text is a part of the line, or constant.
type Found struct {
	Severity     uint8 // OpenTelemetry's number; 0: none
	SeverityText []byte
	HasTrace     bool // TraceID is valid
	HasSpan      bool // SpanID is, too
	HasFlags     bool
	Flags        uint8
	TraceID      [16]byte
	SpanID       [8]byte
}

// What may be looked for.
const (
	Severity = 1 << iota
	Trace
)

const (
	// within is how much of a line is read.
	within = 8 << 10
	// members is how many members or pairs are read.
	members = 64
	// textMax is the longest text of a severity.
	textMax = 24
)

// May reports, by a few bytes, whether Line may find anything. It is on the path of every line: the first byte decides most.
func May(line []byte) bool {
	if len(line) < least {
		return false
	}
	switch first[line[0]] {
	case 0:
		return false
	case mayLogfmt:
		// One of the bytes behind the first is =, so that the line may begin with key=value.
		const ones, highs = 0x0101010101010101, 0x8080808080808080
		word := binary.LittleEndian.Uint64(line[1:]) ^ '='*ones
		return (word-ones)&^word&highs != 0 || line[9] == '='
	case mayKlog:
		return line[1]-'0' <= 9
	}
	return true
}

// least is the length of the shortest line that May looks at.
const least = 10

const (
	mayJSON = iota + 1
	mayKlog
	mayLogfmt
)

// first is what a line may be by its first byte.
var first = func() (f [256]uint8) {
	for c := 'a'; c <= 'z'; c++ {
		f[c] = mayLogfmt
	}
	f['{'], f['I'], f['W'], f['E'], f['F'] = mayJSON, mayKlog, mayKlog, mayKlog, mayKlog
	return f
}()

// Line looks for what is wanted. It reports whether it found anything; f must be zero.
func Line(line []byte, wanted int, f *Found) bool {
	line = line[:min(len(line), within)]
	switch first[line[0]] {
	case mayJSON:
		fromJSON(line, wanted, f)
	case mayLogfmt:
		fromLogfmt(line, wanted, f)
	case mayKlog:
		if wanted&Severity != 0 {
			fromKlog(line, f)
		}
	}
	f.HasSpan = f.HasSpan && f.HasTrace
	f.HasFlags = f.HasFlags && f.HasTrace
	return f.Severity != 0 || f.HasTrace
}

// fromJSON reads the members of the outermost object.
func fromJSON(line []byte, wanted int, f *Found) {
	o := jsontext.Walk(line)
	for n := 0; n < members && o.Next(); n++ {
		kind := kindOf(o.Key)
		if kind == 0 || kind&wanted == 0 {
			continue
		}
		value, isText := o.Text()
		if !isText {
			value = o.Value
		}
		if f.take(kind, value, isText); f.complete(wanted) {
			return
		}
	}
}

// fromLogfmt reads key=value pairs, as far as the line is nothing else.
func fromLogfmt(line []byte, wanted int, f *Found) {
	for n := 0; n < members && len(line) > 0; n++ {
		if line[0] == ' ' {
			line = line[1:]
			continue
		}
		k := 0
		for k < len(line) && line[k] > ' ' && line[k] != '=' && line[k] != '"' {
			k++
		}
		if k == 0 || k == len(line) || line[k] == '"' || line[k] < ' ' {
			return
		}
		key := line[:k]
		if line = line[k+1:]; len(line) == 0 {
			return
		}
		value := line
		if line[0] == '"' {
			end, ok := jsontext.StringEnd(line[1:])
			if !ok {
				return
			}
			value, line = line[1:1+end], line[end+2:]
		} else {
			v := 0
			for v < len(line) && line[v] > ' ' {
				v++
			}
			value, line = line[:v], line[v:]
		}
		kind := kindOf(key)
		if kind == 0 || kind&wanted == 0 {
			continue
		}
		if f.take(kind, value, true); f.complete(wanted) {
			return
		}
	}
}

// fromKlog reads Lmmdd hh:mm:ss.uuuuuu threadid file:line] msg.
func fromKlog(line []byte, f *Found) {
	const pattern = "L0000 00:00:00.000000 "
	if len(line) < len(pattern) {
		return
	}
	for i := 1; i < len(pattern); i++ {
		if pattern[i] == '0' && line[i]-'0' > 9 || pattern[i] != '0' && line[i] != pattern[i] {
			return
		}
	}
	switch line[0] {
	case 'I':
		f.Severity, f.SeverityText = info, klogInfo
	case 'W':
		f.Severity, f.SeverityText = warn, klogWarning
	case 'E':
		f.Severity, f.SeverityText = failed, klogError
	case 'F':
		f.Severity, f.SeverityText = fatal, klogFatal
	}
}

// klog's names of its severities, which a line has the first letter of.
var klogInfo, klogWarning, klogError, klogFatal = []byte("INFO"), []byte("WARNING"), []byte("ERROR"), []byte("FATAL")

func (f *Found) complete(wanted int) bool {
	return (wanted&Severity == 0 || f.Severity != 0) && (wanted&Trace == 0 || f.HasTrace && f.HasSpan && f.HasFlags)
}
