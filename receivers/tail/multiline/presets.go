package multiline

import "bytes"

// The languages' stack traces as small machines. A first line may be taken for one by mistake: it waits then, and is a record
// of its own if the next line does not go on. The lines that go on are strict.

const (
	java = iota
	python
	golang
	nodejs
	dotnet
	languages
)

var names = [languages]string{"java", "python", "go", "nodejs", "dotnet"}

// none: not in a trace.
const none uint8 = 0

var goesOn = [languages]func(state uint8, line []byte) uint8{javaGoesOn, pythonGoesOn, goGoesOn, nodeGoesOn, dotnetGoesOn}

var (
	traceback = []byte("Traceback (most recent call last):")
	serving   = []byte("http: panic serving ")
)

// servingWithin is where net/http's line for a recovered panic has its words, behind the date, at the latest.
const servingWithin = 64

// words are what first lines have in common; they are looked for once, whatever the presets.
type words struct{ exception, traceback bool }

// look searches a line for words by their capital letters, which are rarer than others.
func look(line []byte) (w words) {
	const longest = len("Throwable")
	for i := 0; ; i++ {
		n := bytes.IndexByte(line[i:], 'E')
		if n < 0 {
			break
		}
		if i += n; i+len("Error") > len(line) {
			break
		}
		if c := line[i+1]; c == 'r' && has(line[i:], "Error") || c == 'x' && has(line[i:], "Exception") {
			w.exception = true
			break
		}
	}
	for i := 0; ; i++ {
		n := bytes.IndexByte(line[i:], 'T')
		if n < 0 {
			return w
		}
		if i += n; i+longest > len(line) {
			return w
		}
		switch line[i+1] {
		case 'h':
			w.exception = w.exception || has(line[i:], "Throwable")
		case 'r':
			w.traceback = w.traceback || bytes.HasPrefix(line[i:], traceback)
		}
	}
}

// begins is the state of a preset behind a line that may be a trace's first.
func begins(language int, line []byte, w words) uint8 {
	switch language {
	case java:
		if w.exception || isFrame(line) {
			return inJava
		}
	case python:
		if w.traceback {
			return pythonBegins(line)
		}
	case golang:
		return goBegins(line)
	case nodejs:
		return nodeBegins(line, w)
	case dotnet:
		return dotnetBegins(line, w)
	}
	return none
}

// indent splits off the blanks before a line's text.
func indent(line []byte) (blanks int, text []byte) {
	for blanks < len(line) && (line[blanks] == ' ' || line[blanks] == '\t') {
		blanks++
	}
	return blanks, line[blanks:]
}

func has(text []byte, prefix string) bool {
	return len(text) >= len(prefix) && string(text[:len(prefix)]) == prefix
}

// isFrame reports whether a line is a frame whose first lines were not taken for a trace, such as a message of several lines:
// frames stay together at least.
func isFrame(line []byte) bool {
	blanks, text := indent(line)
	return blanks > 0 && has(text, "at ")
}

// Java: a line that names an exception, then frames, causes and suppressed ones, and the locks of a thread dump.

const inJava = 1

func javaGoesOn(_ uint8, line []byte) uint8 {
	blanks, text := indent(line)
	switch {
	case has(text, "Caused by: "), has(text, "Suppressed: "), has(text, "Wrapped by: "):
		return inJava
	case blanks == 0:
		return none
	case has(text, "at "), has(text, "... "), has(text, "[CIRCULAR REFERENCE"), has(text, "- "), has(text, "(Coroutine"):
		return inJava
	}
	return none
}

// Python: Traceback, indented frames, the exception's line, and perhaps the next traceback of a chain.

const (
	pythonHead   = iota + 1 // behind Traceback
	pythonFrames            // behind a frame
	pythonGroup             // the same, of a group of exceptions, all of whose lines are indented
	pythonEnd               // behind the exception's line
	pythonBlank             // and an empty line
	pythonChain             // and the words that join two of them
)

func pythonBegins(line []byte) uint8 {
	if bytes.Contains(line, []byte("+ Exception Group")) {
		return pythonGroup
	}
	return pythonHead
}

// namesException reports whether a line is like "builtins.KeyError: 'x'", or the name alone.
func namesException(text []byte) bool {
	n := 0
	for n < len(text) && (text[n]|0x20-'a' < 26 || text[n] == '_' || text[n] == '.' || n > 0 && text[n]-'0' <= 9 || text[n] >= 0x80) {
		n++
	}
	return n > 0 && (n == len(text) || text[n] == ':')
}

func pythonGoesOn(state uint8, line []byte) uint8 {
	blanks, text := indent(line)
	switch {
	case (state == pythonChain || blanks > 0) && bytes.Contains(text, traceback):
		return pythonBegins(line)
	case state == pythonGroup && blanks > 0:
		return pythonGroup
	case state == pythonHead && blanks > 0, state == pythonFrames && (blanks > 0 || len(text) == 0):
		return pythonFrames
	case state == pythonFrames && namesException(text):
		return pythonEnd
	case state == pythonEnd && len(text) == 0:
		return pythonBlank
	case state == pythonEnd && blanks > 0:
		return pythonEnd
	case state >= pythonEnd && (has(text, "During handling of the above exception") || has(text, "The above exception was the direct cause")):
		return pythonChain
	case state == pythonChain && len(text) == 0:
		return pythonChain
	}
	return none
}

// Go: a panic, a fatal error or a dump of goroutines. A function's line is followed by that of its place.

const (
	goHead  = iota + 1 // panic: ..., with what follows before the first goroutine
	goStack            // within a goroutine
	goBlank            // behind one
)

func goBegins(line []byte) uint8 {
	switch {
	case has(line, "panic: "), has(line, "fatal error: "), has(line, "SIGQUIT: "), has(line, "unexpected fault address"), len(line) > 0 && line[0]-'0' <= 9 && bytes.Contains(line[:min(len(line), servingWithin)], serving):
		return goHead
	case has(line, "goroutine ") && bytes.HasSuffix(line, []byte("]:")), has(line, "runtime stack:"):
		return goStack
	}
	return none
}

func goGoesOn(state uint8, line []byte) uint8 {
	blanks, text := indent(line)
	switch {
	case has(text, "goroutine "), has(text, "runtime stack:"):
		return goStack
	case len(text) == 0 && state == goStack:
		return goBlank
	case len(text) == 0 || has(text, "[signal ") || has(text, "[originating from "):
		return state
	case state == goHead && blanks > 0:
		return goHead
	case state != goHead && has(text, "exit status "):
		return goBlank
	case state == goBlank: // registers of a dump
		if isRegister(text) {
			return goBlank
		}
		return none
	case state == goStack && (blanks > 0 || text[len(text)-1] == ')' && bytes.IndexByte(text, '(') > 0 || has(text, "created by ") || has(text, "...additional frames") || has(text, "...") && bytes.HasSuffix(text, []byte("elided..."))):
		return goStack
	}
	return none
}

// isRegister reports whether a line is like "rax    0x0".
func isRegister(text []byte) bool {
	name, value, ok := bytes.Cut(text, []byte(" "))
	return ok && len(name) <= len("rflags") && has(bytes.TrimLeft(value, " "), "0x")
}

// Node.js: a line that names an error, frames and the error's own properties; an uncaught one begins with the place in the
// source.

const (
	nodeFrames = iota + 1
	nodeSource // behind the place: the line of code
	nodeCaret  // behind the code: the mark below it
	nodeHead   // behind the mark: an empty line and the error
	nodeProps  // within the braces of an error's properties

	nodeUncaught uint8 = 0x80 // may end with an empty line and the version
)

func nodeBegins(line []byte, w words) uint8 {
	if n := len(line); n > 0 && line[n-1]-'0' <= 9 && (has(line, "/") || has(line, "file://") || has(line, "node:")) && (bytes.Contains(line, []byte("js:")) || bytes.Contains(line, []byte("ts:")) || has(line, "node:")) {
		return nodeSource
	}
	if !w.exception && !isFrame(line) {
		return none
	}
	return opened(line, 0)
}

func nodeGoesOn(state uint8, line []byte) uint8 {
	blanks, text := indent(line)
	uncaught := state & nodeUncaught
	switch state &^ nodeUncaught {
	case nodeSource:
		return nodeCaret
	case nodeCaret:
		if len(text) > 0 && len(bytes.Trim(text, "^~ ")) == 0 {
			return nodeHead
		}
	case nodeHead:
		if len(text) == 0 {
			return nodeHead
		}
		if look(text).exception || has(text, "Thrown at:") || has(text, "[") {
			return opened(text, nodeUncaught)
		}
	case nodeProps:
		if blanks == 0 && has(text, "}") {
			return nodeFrames | uncaught
		}
		if blanks > 0 || len(text) == 0 {
			return nodeProps | uncaught
		}
	case nodeFrames:
		switch {
		case uncaught != 0 && (has(text, "Node.js v") || len(text) == 0):
			return state
		case blanks > 0 && (has(text, "at ") || has(text, "[cause]") || has(text, "[errors]") || has(text, "... ")):
			return opened(text, uncaught)
		}
	}
	return none
}

// opened is the state behind a line that may end with the brace before properties.
func opened(text []byte, uncaught uint8) uint8 {
	if text[len(text)-1] == '{' {
		return nodeProps | uncaught
	}
	return nodeFrames | uncaught
}

// .NET: an exception with its frames and inner ones; the console logger's header with its indented message.

const (
	dotnetFrames = iota + 1
	dotnetConsole
)

func dotnetBegins(line []byte, w words) uint8 {
	if w.exception || isFrame(line) {
		return dotnetFrames
	}
	switch {
	case has(line, "fail: "), has(line, "crit: "), has(line, "warn: "), has(line, "info: "), has(line, "dbug: "), has(line, "trce: "):
		if line[len(line)-1] == ']' {
			return dotnetConsole
		}
	}
	return none
}

func dotnetGoesOn(state uint8, line []byte) uint8 {
	blanks, text := indent(line)
	switch {
	case state == dotnetConsole && blanks >= len("info: "):
		return dotnetConsole
	case blanks == 0 || state != dotnetFrames:
		return none
	case has(text, "at "), has(text, "---> "), has(text, "--- End of "):
		return dotnetFrames
	}
	return none
}
