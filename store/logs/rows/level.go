package rows

// The values of detected_level, as in Loki.
const (
	levelTrace    = "trace"
	levelDebug    = "debug"
	levelInfo     = "info"
	levelWarn     = "warn"
	levelError    = "error"
	levelCritical = "critical"
	levelFatal    = "fatal"
	levelUnknown  = "unknown"
)

// scanBytes is how much of a line is searched for a level.
const scanBytes = 256

// severityLevel is the level of an OTLP severity number, or empty.
func severityLevel(n int32) string {
	switch {
	case n <= 0:
		return ""
	case n <= 4:
		return levelTrace
	case n <= 8:
		return levelDebug
	case n <= 12:
		return levelInfo
	case n <= 16:
		return levelWarn
	case n <= 20:
		return levelError
	case n <= 24:
		return levelFatal
	}
	return levelUnknown
}

const longestWord = len("informational")

// lower lowercases the word into buf; nil if it is longer than any known word.
func lower(buf *[longestWord]byte, word string) []byte {
	if len(word) > len(buf) {
		return nil
	}
	for i := 0; i < len(word); i++ {
		c := word[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	return buf[:len(word)]
}

// wordLevel is the level a word means, or empty.
func wordLevel(word string) string {
	var buf [longestWord]byte
	switch string(lower(&buf, word)) {
	case "trace", "trc":
		return levelTrace
	case "debug", "dbg":
		return levelDebug
	case "info", "inf", "information", "informational", "notice":
		return levelInfo
	case "warn", "wrn", "warning":
		return levelWarn
	case "error", "err", "eror":
		return levelError
	case "critical", "crit", "alert":
		return levelCritical
	case "fatal", "panic", "emerg", "emergency":
		return levelFatal
	}
	return ""
}

func isLevelKey(word string) bool {
	var buf [longestWord]byte
	switch string(lower(&buf, word)) {
	case "level", "lvl", "severity", "loglevel":
		return true
	}
	return false
}

// lineLevel is the value of a level field in JSON or logfmt, else the first word that is a level.
func lineLevel(line string) string {
	line = line[:min(len(line), scanBytes)]
	first := ""
	for i := 0; i < len(line); {
		if !isLetter(line[i]) {
			i++
			continue
		}
		start := i
		for i < len(line) && isLetter(line[i]) {
			i++
		}
		word := line[start:i]
		if len(word) < 3 || len(word) > longestWord {
			continue
		}
		if isLevelKey(word) {
			if l := wordLevel(fieldValue(line[i:])); l != "" {
				return l
			}
			continue
		}
		if first == "" {
			first = wordLevel(word)
		}
	}
	if first == "" {
		return levelUnknown
	}
	return first
}

// fieldValue is the word after a key, such as warn of =warn, ="warn" or ": "warn".
func fieldValue(s string) string {
	i, sign := 0, false
	for i < len(s) && (s[i] == '"' || s[i] == ' ' && sign || (s[i] == '=' || s[i] == ':') && !sign) {
		sign = sign || s[i] != '"'
		i++
	}
	n := i
	for n < len(s) && isLetter(s[n]) {
		n++
	}
	if !sign {
		return ""
	}
	return s[i:n]
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
