// Package config makes a validated pipeline.Config from the configuration sources. It reports all faults at once,
// each with file, line, path and fix.
//
// Package read turns files into Go values and remembers places; this package knows the sections: components.go,
// connectors.go, pipelines.go, service.go and extensions.go.
package config

import (
	"context"
	"slices"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

// Options are command-line options and the daemon's defaults.
type Options struct {
	AllowIgnoredKeys bool   // keys that are known to the Collector but not supported warn and are ignored
	MetricsEndpoint  string // host:port of our own /metrics where service::telemetry::metrics is not set; empty: none
	HealthEndpoint   string // host:port of a health_check without endpoint; empty: the Collector's localhost:13133
}

// Load reads, merges, expands, decodes and validates a configuration. An error is a read.Faults; warnings are
// returned in either case. Load opens no port and starts nothing.
func Load(ctx context.Context, src read.Sources, components []pipeline.Component, o Options) (*pipeline.Config, []read.Warning, error) {
	found := &read.Report{}
	res, broken := read.Resolve(ctx, src, found)
	if broken {
		warnings, faults := found.Finish(nil)
		return nil, warnings, faults
	}
	l := &loader{
		queueFolders: map[string]string{},
		Reader:       &read.Reader{Report: found, Resolved: res, AllowIgnored: o.AllowIgnoredKeys},
		components:   components,
		options:      o,
	}
	cfg := l.load()
	secrets := append(l.Secrets, l.Hidden...)
	warnings, faults := found.Finish(secrets)
	if len(faults) > 0 {
		return nil, warnings, faults
	}
	cfg.Redact = read.Redactor(secrets).Replace
	return cfg, warnings, nil
}

type loader struct {
	*read.Reader
	components []pipeline.Component
	options    Options

	declared   map[pipeline.Kind][]*declaration
	extensions []*declaration
	cfg        pipeline.Config

	queueFolders map[string]string // exporters by the folder of their queue
	metricsKey   []string          // that names the endpoint of our own metrics
}

// declaration is an entry of a section of components.
type declaration struct {
	pipeline.Instance
	spelled string // the key as the file has it
	At      read.At
	used    bool
	faulty  bool // reported already; no pipeline should complain again
}

// sectionNames are the valid sections, in printing order.
var sectionNames = []string{"receivers", "processors", "exporters", "connectors", "extensions", "service"}

func (l *loader) load() *pipeline.Config {
	for _, key := range read.OrderedKeys(l.Tree, l.Raw) {
		if !slices.Contains(sectionNames, key) {
			l.Fault(l.Tree.At(key), "unknown section; %s", read.Meant(key, sectionNames))
		}
	}
	l.readComponents()
	l.checkNames()
	l.readExtensions()
	l.readService()
	l.warnUnused()
	l.warnSecondCopies()
	l.checkPorts()
	for _, kind := range kinds {
		for _, d := range l.declared[kind] {
			if d.used {
				l.cfg.Instances = append(l.cfg.Instances, d.Instance)
				l.checkStorage(kind, d)
				l.checkElection(kind, d)
			}
		}
	}
	return &l.cfg
}

// warnUnused reports unused components, except those of the embedded default.
func (l *loader) warnUnused() {
	if l.IsGone("service", "pipelines") {
		return // a list that could not be read may have named it
	}
	var lists []*declaration
	for _, kind := range kinds {
		lists = append(lists, l.declared[kind]...)
	}
	for _, d := range lists {
		if !d.used && !d.faulty && !d.Embedded {
			l.Warn(d.At, "no pipeline uses it, so it is not started; name it in service::pipelines or take it out")
		}
	}
}
