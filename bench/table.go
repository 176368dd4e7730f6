package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

type table struct {
	title   string
	command string
	notes   []string
	head    []string
	rows    [][]string
}

func (t table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n`%s`, %s\n\n", t.title, t.command, time.Now().UTC().Format("2006-01-02"))
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(t.head, " | "), strings.Repeat(" --- |", len(t.head)))
	for _, r := range t.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(r, " | "))
	}
	if t.notes != nil {
		b.WriteString("\n")
	}
	for _, n := range t.notes {
		fmt.Fprintf(&b, "%s\n", n)
	}
	return b.String()
}

// replaceIn puts the table between the file's markers for name, or appends it with markers if there are none.
func (t table) replaceIn(path, name string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := fmt.Sprintf("<!-- begin %s -->\n", name), fmt.Sprintf("<!-- end %s -->", name)
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok && !strings.Contains(head, end) {
		head, tail = strings.TrimRight(head, "\n")+"\n\n", "\n"
	} else if !ok || !ok2 {
		return fmt.Errorf("%s has no place for %s; add the lines %q and %q", path, name, strings.TrimSpace(begin), end)
	}
	return os.WriteFile(path, []byte(head+begin+t.markdown()+end+tail), 0o644)
}

type series []float64

func (s series) median() float64 {
	c := slices.Sorted(slices.Values(s))
	if len(c) == 0 {
		return 0
	}
	if len(c)%2 == 1 {
		return c[len(c)/2]
	}
	return (c[len(c)/2-1] + c[len(c)/2]) / 2
}

// format returns "median (min–max)".
func (s series) format(decimals int) string {
	if len(s) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.*f (%.*f–%.*f)", decimals, s.median(), decimals, slices.Min(s), decimals, slices.Max(s))
}

// ratio divides pair by pair, so that drifting machine speed cancels out.
func ratio(a, b series) series {
	var out series
	for i := range min(len(a), len(b)) {
		if b[i] != 0 {
			out = append(out, a[i]/b[i])
		}
	}
	return out
}
