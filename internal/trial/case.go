// Package trial runs a configuration without a network and a disk: receivers are given what a test has, exporters only
// record. Between them is what a daemon runs. `sluice test` and `sluice explain` are made of it.
package trial

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/pipeline/config/read"
)

// A Case is a file of `sluice test`; docs/testing.md says what may be in it.
type Case struct {
	File   string
	Config []read.Text // in order, later ones win; empty: that of the command
	env    map[string]string
	inputs []part
	wants  []part
	text   *txtar.Archive
}

// part is a part of the archive that begins in a line.
type part struct {
	name string
	line int // of its first line of text
	text []byte
}

const (
	partConfig = "config.yaml"
	partDrop   = "want/drop"
	inPrefix   = "in/"
	wantPrefix = "want/"
	jsonSuffix = ".json"
)

// Fault is what is wrong in a case, with its place.
type Fault struct {
	File string
	Line int
	Err  error
}

func (f Fault) Error() string { return fmt.Sprintf("%s:%d: %v", f.File, f.Line, f.Err) }
func (f Fault) Unwrap() error { return f.Err }

func (c *Case) fault(line int, format string, args ...any) error {
	return Fault{c.File, line, fmt.Errorf(format, args...)}
}

// Read reads a case.
func Read(file string) (*Case, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &Case{File: file, env: map[string]string{}, text: txtar.Parse(text)}
	for i, line := range strings.Split(string(c.text.Comment), "\n") {
		if err := c.directive(i+1, strings.TrimSpace(line)); err != nil {
			return nil, err
		}
	}
	line := bytes.Count(c.text.Comment, []byte{'\n'}) + 1
	for _, f := range c.text.Files {
		p := part{f.Name, line + 1, f.Data}
		line += 1 + bytes.Count(f.Data, []byte{'\n'})
		switch {
		case p.name == partConfig:
			// Blank lines before it, so that a fault has the line that it has in this file.
			c.Config = append(c.Config, read.Text{Name: file, YAML: append(bytes.Repeat([]byte{'\n'}, p.line-1), p.text...)})
		case strings.HasPrefix(p.name, inPrefix):
			c.inputs = append(c.inputs, p)
		case p.name == partDrop, strings.HasPrefix(p.name, wantPrefix) && exporterOf(p.name) != "":
			c.wants = append(c.wants, p)
		default:
			return nil, c.fault(p.line-1, "unknown part %q; the parts are config.yaml, in/RECEIVER.json, in/RECEIVER SOURCE, want/EXPORTER.json, want/EXPORTER.series and want/drop", p.name)
		}
	}
	if len(c.inputs) == 0 {
		return nil, c.fault(1, "there is no input; add a part in/RECEIVER.json")
	}
	return c, nil
}

// directive reads a line above the first part.
func (c *Case) directive(at int, line string) error {
	if line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	key, value, _ := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch key {
	case "config":
		path := value
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(c.File), path)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return c.fault(at, "cannot read the configuration: %w", err)
		}
		c.Config = append(c.Config, read.Text{Name: path, YAML: text})
	case "env":
		name, text, ok := strings.Cut(value, "=")
		if !ok || name == "" {
			return c.fault(at, "write env: NAME=VALUE")
		}
		c.env[name] = text
	default:
		return c.fault(at, "unknown line; write config: FILE, env: NAME=VALUE, or a comment that begins with #")
	}
	return nil
}

// Sources are the configuration of the case, else that of the command. Only the case's own environment counts.
func (c *Case) sources(command read.Sources) read.Sources {
	if len(c.Config) > 0 {
		command.Embedded, command.Config = c.Config, nil
	}
	command.Env = func(name string) (string, bool) {
		value, set := c.env[name]
		return value, set
	}
	return command
}
