package trial

import (
	"bytes"
	"encoding/json"
	"strings"
)

// lineWidth is how wide a line of OTLP/JSON may be.
const lineWidth = 120

// layout writes JSON for people: what fits stays in one line.
func layout(text []byte) []byte {
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil {
		panic("BUG: JSON of our own cannot be read: " + err.Error())
	}
	lines := strings.Split(indented.String(), "\n")
	var out bytes.Buffer
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if opens(line) {
			if joined, n := join(lines[i:]); n > 0 {
				line, i = joined, i+n-1
			}
		}
		out.WriteString(line + "\n")
	}
	return out.Bytes()
}

func opens(line string) bool { return strings.HasSuffix(line, "{") || strings.HasSuffix(line, "[") }

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// join makes one line of a value that begins in the first line, and says how many lines it was; 0 if it is too long.
func join(lines []string) (string, int) {
	joined := lines[0]
	for n, line := range lines[1:] {
		text := strings.TrimLeft(line, " ")
		if before := lines[n]; strings.HasSuffix(before, ",") {
			joined += " "
		}
		joined += text
		if len(joined) > lineWidth {
			return "", 0
		}
		if indentOf(line) == indentOf(lines[0]) {
			return joined, n + 2
		}
	}
	return "", 0
}
