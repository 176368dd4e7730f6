// Package read makes Go values of configuration sources, and remembers where each key is.
//
// Merging, ${...} and decoding are the Collector's confmap; beside it a tree of YAML nodes keeps the places. Read
// source.go and tree.go first (files to a tree), then expand.go (confmap), section.go with shape.go (decoding),
// wrong.go and validate.go (faults), finding.go.
package read

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
)

// Sources are the configuration sources. Later ones win: Embedded, then Config, then Set, each in order. Maps are
// merged; lists and scalars are replaced, as in the Collector.
type Sources struct {
	Embedded []Text   // what comes with the command; leave it empty when the user's files stand alone
	Config   []string // --config: a path, or file:PATH, env:NAME, yaml:TEXT
	Set      []string // --set: key.path=value, the value being YAML
	// Env looks up environment variables; nil: those of the process.
	Env func(name string) (value string, set bool)
}

func (s Sources) lookup(name string) (string, bool) {
	if s.Env != nil {
		return s.Env(name)
	}
	return os.LookupEnv(name)
}

// Text is configuration built into the binary.
type Text struct {
	Name string // what findings call it: "embedded default"
	YAML []byte
}

type layer struct {
	name     string
	rank     int
	text     string
	embedded bool
	noLines  bool       // the text is ours, made from a flag: its line numbers mean nothing to the user
	root     *yaml.Node // a mapping, or nil for an empty source
}

func (l *layer) Place(line int) pipeline.Place {
	if l.noLines {
		line = 0
	}
	return pipeline.Place{File: l.name, Line: line}
}

// At is the place of a node, or of the whole source if n is nil.
func (l *layer) At(n *yaml.Node, path ...string) At {
	if n == nil {
		n = &yaml.Node{}
	}
	return At{Place: l.Place(n.Line), column: n.Column, source: l.rank, Path: path}
}

// readLayers skips sources that it cannot read or parse, and reports them.
func readLayers(src Sources, r *Report) []*layer {
	var layers []*layer
	add := func(l *layer, err error) {
		l.rank = len(layers)
		layers = append(layers, l)
		if err != nil {
			r.Fault(l.At(nil), "%s", err)
			return
		}
		if l.root == nil {
			l.parse(r)
		}
	}
	for _, t := range src.Embedded {
		add(&layer{name: t.Name, text: string(t.YAML), embedded: true}, nil)
	}
	for _, uri := range src.Config {
		add(readURI(uri, src.lookup))
	}
	for _, s := range src.Set {
		add(readSet(s))
	}
	return layers
}

// readURI reads the source of a --config. It replaces the Collector's providers, so that positions and values come
// from the same bytes.
func readURI(uri string, lookup func(string) (string, bool)) (*layer, error) {
	scheme, rest, found := strings.Cut(uri, ":")
	switch {
	case !found || len(scheme) < 2 || strings.ContainsAny(scheme, `/\.`):
		return readFile(uri)
	case scheme == "file":
		return readFile(rest)
	case scheme == "yaml":
		return &layer{name: "--config yaml", text: rest}, nil
	case scheme == "env":
		name, fallback, defaulted := strings.Cut(rest, ":-")
		l := &layer{name: "env:" + name}
		value, set := lookup(name)
		switch {
		case set:
			l.text = value
		case defaulted:
			l.text = fallback
		default:
			return l, fmt.Errorf("environment variable %s is not set; set it to the YAML text of a configuration", name)
		}
		return l, nil
	}
	return &layer{name: "--config"}, fmt.Errorf("%q is not a scheme that Sluice reads; write a path, or file:PATH, env:NAME, yaml:TEXT", scheme)
}

func readFile(path string) (*layer, error) {
	l := &layer{name: path}
	text, err := os.ReadFile(filepath.Clean(path))
	l.text = string(text)
	return l, readFault(err)
}

// readFault drops the file name, which the place already has.
func readFault(err error) error {
	var p *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return fmt.Errorf("cannot read the file: %w", p.Err)
	}
	return fmt.Errorf("cannot read the file: %w", err)
}

// readSet makes a layer of key.path=value as the Collector does: dots separate keys, the value is YAML.
func readSet(s string) (*layer, error) {
	l := &layer{name: "--set", noLines: true}
	key, value, found := strings.Cut(s, "=")
	key = strings.TrimSpace(key)
	if !found || key == "" {
		return l, errors.New("no key and value; write --set key.path=value") // not printed: it may be a secret
	}
	if !utf8.ValidString(s) {
		return l, errors.New("not UTF-8; write key.path=value as text")
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(value), &doc); err != nil {
		return l, fmt.Errorf("%s: the value is not YAML; put it in quotes", key)
	}
	val := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	if len(doc.Content) > 0 {
		val = doc.Content[0]
	}
	name := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.ReplaceAll(key, ".", delimiter)}
	l.root = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{name, val}}
	return l, nil
}

func (l *layer) parse(r *Report) {
	dec := yaml.NewDecoder(bytes.NewReader([]byte(l.text)))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return
	case err != nil:
		l.syntax(err, r)
		return
	}
	root := doc.Content[0]
	if text, n := measure(root); text != "" {
		r.Fault(l.At(n), "%s", text)
		return
	}
	if root.Kind == yaml.MappingNode {
		l.root = root
	} else if root.ShortTag() != "!!null" {
		r.Fault(l.At(root), "%s is not a configuration; write the sections receivers, processors, exporters and service", nodeKind(root))
		return
	}
	var more yaml.Node
	switch err := dec.Decode(&more); {
	case err == nil:
		r.Fault(l.At(&more), "a second YAML document begins here and would not be read; give each document a file and a --config of its own")
	case !errors.Is(err, io.EOF):
		l.syntax(err, r)
	}
}

// syntax reports a YAML error, whose text begins with "yaml: line 3: ".
func (l *layer) syntax(err error, r *Report) {
	var many *yaml.TypeError
	texts := []string{err.Error()}
	if errors.As(err, &many) {
		texts = many.Errors
	}
	for _, text := range texts {
		line, rest := 1, strings.TrimPrefix(text, "yaml: ")
		if number, after, found := strings.Cut(strings.TrimPrefix(rest, "line "), ": "); found && strings.HasPrefix(rest, "line ") {
			if n, err := strconv.Atoi(number); err == nil {
				line, rest = n, after
			}
		}
		r.Fault(l.At(&yaml.Node{Line: line}), "not YAML: %s", rest)
	}
}

func nodeKind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "keys and values"
	}
	return "a single value"
}
