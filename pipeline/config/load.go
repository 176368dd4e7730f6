// Package config turns the command line's sources of configuration into a checked pipeline.Config. It reports every
// fault at once, each with its file and line, its path and what to write instead.
//
// Merging, ${...} and decoding are the Collector's confmap; beside it a tree of YAML nodes remembers where each key
// was written. Read it in this order: load.go, source.go and tree.go (files into a tree), expand.go (confmap), section.go
// with shape.go (one section into a Go struct), components.go, pipelines.go and service.go (what a file says).
package config

import (
	"context"
	"slices"

	"github.com/sluiceio/sluice/pipeline"
)

// Options are what the command line says about reading a configuration, and what the daemon does when no source
// says otherwise.
type Options struct {
	AllowIgnoredKeys bool   // keys that are known to the Collector but not supported warn and are ignored
	MetricsEndpoint  string // host:port of our own /metrics where service::telemetry::metrics is not set; empty: none
	HealthEndpoint   string // host:port of a health_check without endpoint; empty: the Collector's localhost:13133
}

// Load reads, merges, expands, decodes and checks a configuration against the components that the daemon has. The
// error, if any, is a Faults; the warnings stand in either case. Load opens no port and starts nothing.
func Load(ctx context.Context, src Sources, components []pipeline.Component, o Options) (*pipeline.Config, []Warning, error) {
	found := &report{}
	res, broken := resolve(ctx, src, found)
	if broken {
		warnings, faults := found.finish(nil)
		return nil, warnings, faults
	}
	l := &loader{
		reader:     &reader{report: found, resolved: res, allowIgnored: o.AllowIgnoredKeys},
		components: components,
		options:    o,
	}
	cfg := l.load()
	warnings, faults := found.finish(l.secrets)
	if len(faults) > 0 {
		return nil, warnings, faults
	}
	return cfg, warnings, nil
}

// loader is the work of one Load after the sources were resolved.
type loader struct {
	*reader
	components []pipeline.Component
	options    Options

	declared   map[pipeline.Kind][]*declaration
	extensions []*declaration
	cfg        pipeline.Config
}

// declaration is one entry of a section of components.
type declaration struct {
	pipeline.Instance
	spelled string // the key as the file has it
	at      at
	used    bool
	faulty  bool // reported already; no pipeline should complain again
}

// sectionNames are the sections a file may have, in the order in which they are printed.
var sectionNames = []string{"receivers", "processors", "exporters", "connectors", "extensions", "service"}

func (l *loader) load() *pipeline.Config {
	for _, key := range orderedKeys(l.tree, l.raw) {
		if !slices.Contains(sectionNames, key) {
			l.fault(l.tree.at(key), "unknown section; %s", meant(key, sectionNames))
		}
	}
	l.readComponents()
	l.checkNames()
	l.readExtensions()
	l.readService()
	l.warnUnused()
	for _, kind := range kinds {
		for _, d := range l.declared[kind] {
			if d.used {
				l.cfg.Instances = append(l.cfg.Instances, d.Instance)
			}
		}
	}
	return &l.cfg
}

// warnUnused reports what is configured in vain. The embedded default is not the user's to tidy.
func (l *loader) warnUnused() {
	if l.isGone("service", "pipelines") {
		return // a list that could not be read may have named it
	}
	var lists []*declaration
	for _, kind := range kinds {
		lists = append(lists, l.declared[kind]...)
	}
	for _, d := range lists {
		if !d.used && !d.faulty && !d.Embedded {
			l.warn(d.at, "no pipeline uses it, so it is not started; name it in service::pipelines or take it out")
		}
	}
}
