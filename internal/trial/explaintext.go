package trial

import (
	"fmt"
	"strings"
)

// Text writes what became of a record for a terminal.
func (e *Explained) Text(number, of int) string {
	var w strings.Builder
	fmt.Fprintf(&w, "record %d of %d (%s): %s\n", number, of, e.Signal, e.Title)
	fmt.Fprintf(&w, "  receiver %s\n", e.Receiver)
	for _, v := range e.Path {
		v.text(&w, 4)
	}
	if len(e.Reaches) == 0 {
		w.WriteString("  reaches no exporter\n")
	}
	for _, r := range e.Reaches {
		fmt.Fprintf(&w, "  reaches exporter %s through pipeline %s\n", r.Exporter, r.Pipeline)
	}
	if e.Error != "" {
		fmt.Fprintf(&w, "  the sender is told: %s\n", e.Error)
	}
	return w.String()
}

func (v *Visit) text(w *strings.Builder, indent int) {
	line := func(more int, format string, args ...any) {
		fmt.Fprintf(w, "%*s%s\n", indent+more, "", fmt.Sprintf(format, args...))
	}
	items := ""
	if v.Items != 1 {
		items = fmt.Sprintf(" (%d items)", v.Items)
	}
	line(0, "%s %s%s", v.Kind, v.Name, items)
	for _, s := range v.Steps {
		s.text(line)
	}
	for _, c := range v.Changes {
		line(4, "%s", c.text())
	}
	if v.Fate != "" {
		line(4, "%s", v.Fate)
	}
	below := indent
	if v.Kind == "pipeline" || v.Kind == "connector" {
		below += 2
	}
	for _, next := range v.Next {
		next.text(w, below)
	}
}

func (s Step) text(line func(more int, format string, args ...any)) {
	said := "ran  "
	switch {
	case s.Error != "":
		said = "ERROR"
	case s.Condition && s.Held:
		said = "true "
	case s.Condition:
		said = "false"
	case !s.Held:
		said = "skip " // its where is false
	}
	line(4, "%s %s", said, s.Statement)
	if s.Error != "" {
		line(10, "%s", s.Error)
	}
	for _, c := range s.Changes {
		line(10, "%s", c.text())
	}
	if len(s.Changes) == 0 && !s.Condition && s.Held && s.Error == "" {
		line(10, "nothing changed")
	}
}

func (c Change) text() string { return fmt.Sprintf("%s: %s -> %s", c.Field, show(c.From), show(c.To)) }
