package config

import (
	"slices"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
)

// kinds are the sections that hold components, in data-path order.
var kinds = pipeline.Kinds[:]

// sectionOf is the name of the section of a kind.
func sectionOf(k pipeline.Kind) string { return string(k) + "s" }

// readComponents reads the sections of components.
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

// entries lists what a section of components declares. Names that are none are reported.
func (l *loader) entries(name string) []*declaration {
	value := plain(l.raw[name])
	m, isMap := value.(map[string]any)
	if !isMap {
		if value != nil {
			l.fault(l.tree.at(name), "wants component names with their settings, found %s", l.found([]string{name}, value, false))
		}
		return nil
	}
	var list []*declaration
	for _, key := range orderedKeys(l.tree.find(name), m) {
		d := &declaration{spelled: key, at: l.tree.at(name, key)}
		id, err := pipeline.ParseID(key)
		if err != nil {
			l.fault(d.at, "%s", err)
			d.faulty = true
		}
		d.ID, d.Place = id, d.at.place
		d.Embedded = l.tree.find(name, key).isEmbedded()
		list = append(list, d)
	}
	return list
}

func (l *loader) readComponent(kind pipeline.Kind, d *declaration) {
	component, ok := l.component(kind, d.ID.Type)
	if !ok {
		l.fault(d.at, "%s", l.unknownType(kind, d.ID.Type))
		d.faulty = true
		return
	}
	d.Component = component
	value, ok := l.decode(l.section(sectionOf(kind), d, component.Unsupported), component.Default)
	d.Config, d.faulty = value, !ok
}

func (l *loader) section(name string, d *declaration, unsupported map[string]string) section {
	m, _ := plain(l.raw[name]).(map[string]any)
	return section{path: []string{name, d.spelled}, raw: m[d.spelled], unsupported: unsupported}
}

// component finds a type, or the type that has this alias.
func (l *loader) component(kind pipeline.Kind, typ string) (pipeline.Component, bool) {
	for _, c := range l.components {
		if c.Kind == kind && (c.Type == typ || slices.Contains(c.Aliases, typ)) {
			return c, true
		}
	}
	return pipeline.Component{}, false
}

// typeNames lists the types of a kind, and then their older spellings.
func (l *loader) typeNames(kind pipeline.Kind) (types, aliases []string) {
	for _, c := range l.components {
		if c.Kind == kind {
			types = append(types, c.Type)
			aliases = append(aliases, c.Aliases...)
		}
	}
	return types, aliases
}

// unknownType says what to write for a type that the list does not have.
func (l *loader) unknownType(kind pipeline.Kind, typ string) string {
	types, aliases := l.typeNames(kind)
	all := append(slices.Clone(types), aliases...)
	for _, name := range all {
		if normal(name) == normal(typ) {
			return "unknown " + string(kind) + " type; did you mean " + quote(name) + "?"
		}
	}
	if text, known := knownType(kind, typ); known {
		if text == "" || !l.has(text) {
			return unsupported + "; take it out, and out of the pipelines that name it"
		}
		return unsupported + "; use " + text
	}
	for _, other := range kinds {
		if _, ok := l.component(other, typ); ok {
			return typ + " is a " + string(other) + "; move it to " + sectionOf(other)
		}
	}
	if best := nearest(typ, all); best != "" {
		return "unknown " + string(kind) + " type; did you mean " + quote(best) + "?"
	}
	return "unknown " + string(kind) + " type; " + meant(typ, types)
}

// has reports whether the daemon has what an advice such as "the tail receiver" names.
func (l *loader) has(advice string) bool {
	words := strings.Fields(advice)
	if len(words) < 3 {
		return true
	}
	_, ok := l.component(pipeline.Kind(words[2]), words[1])
	return ok
}

// find returns the declaration that a pipeline's list means.
func find(list []*declaration, id pipeline.ID) *declaration {
	for _, d := range list {
		if d.ID == id {
			return d
		}
	}
	return nil
}
