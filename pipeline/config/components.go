package config

import (
	"slices"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

var kinds = pipeline.Kinds[:]

func sectionOf(k pipeline.Kind) string { return string(k) + "s" }

func (l *loader) readComponents() {
	l.declared = map[pipeline.Kind][]*declaration{}
	for _, kind := range kinds {
		for _, d := range l.entries(sectionOf(kind)) {
			l.declared[kind] = append(l.declared[kind], d)
			if !d.faulty {
				l.readComponent(kind, d)
			}
		}
	}
}

func (l *loader) entries(name string) []*declaration {
	value := read.Unwrap(l.Raw[name])
	m, isMap := value.(map[string]any)
	if !isMap {
		if value != nil {
			l.Fault(l.Tree.At(name), "expected component names with their settings, found %s", l.Found([]string{name}, value, false))
		}
		return nil
	}
	var list []*declaration
	for _, key := range read.OrderedKeys(l.Tree.Find(name), m) {
		d := &declaration{spelled: key, At: l.Tree.At(name, key)}
		id, err := pipeline.ParseID(key)
		if err != nil {
			l.Fault(d.At, "%s", err)
			d.faulty = true
		}
		d.ID, d.Place = id, d.At.Place
		d.Embedded = l.Tree.Find(name, key).IsEmbedded()
		list = append(list, d)
	}
	return list
}

func (l *loader) readComponent(kind pipeline.Kind, d *declaration) {
	component, ok := l.component(kind, d.ID.Type)
	if !ok {
		l.Fault(d.At, "%s", l.unknownType(kind, d.ID.Type))
		d.faulty = true
		return
	}
	d.Component = component
	value, ok := l.Decode(l.Section(sectionOf(kind), d, component.Unsupported), component.Default)
	d.Config, d.faulty = value, !ok
}

func (l *loader) Section(name string, d *declaration, unsupported map[string]string) read.Section {
	m, _ := read.Unwrap(l.Raw[name]).(map[string]any)
	return read.Section{Path: []string{name, d.spelled}, Raw: m[d.spelled], Unsupported: unsupported}
}

func (l *loader) component(kind pipeline.Kind, typ string) (pipeline.Component, bool) {
	for _, c := range l.components {
		if c.Kind == kind && (c.Type == typ || slices.Contains(c.Aliases, typ)) {
			return c, true
		}
	}
	return pipeline.Component{}, false
}

func (l *loader) typeNames(kind pipeline.Kind) (types, aliases []string) {
	for _, c := range l.components {
		if c.Kind == kind {
			types = append(types, c.Type)
			aliases = append(aliases, c.Aliases...)
		}
	}
	return types, aliases
}

func (l *loader) unknownType(kind pipeline.Kind, typ string) string {
	types, aliases := l.typeNames(kind)
	all := append(slices.Clone(types), aliases...)
	for _, name := range all {
		if read.Normal(name) == read.Normal(typ) {
			return "unknown " + string(kind) + " type; did you mean " + read.Quote(name) + "?"
		}
	}
	if text, known := knownType(kind, typ); known {
		if text == "" || !l.has(text) {
			return read.Unsupported + "; take it out, and out of the pipelines that name it"
		}
		return read.Unsupported + "; use " + text
	}
	for _, other := range kinds {
		if _, ok := l.component(other, typ); ok {
			return typ + " is a " + string(other) + "; move it to " + sectionOf(other)
		}
	}
	if best := read.Nearest(typ, all); best != "" {
		return "unknown " + string(kind) + " type; did you mean " + read.Quote(best) + "?"
	}
	return "unknown " + string(kind) + " type; " + read.Meant(typ, types)
}

// has reports whether the daemon has the component in an advice such as "the tail receiver".
func (l *loader) has(advice string) bool {
	words := strings.Fields(advice)
	if len(words) < 3 {
		return true
	}
	_, ok := l.component(pipeline.Kind(words[2]), words[1])
	return ok
}

// Find returns the declaration of a component, or nil.
func Find(list []*declaration, id pipeline.ID) *declaration {
	for _, d := range list {
		if d.ID == id {
			return d
		}
	}
	return nil
}
