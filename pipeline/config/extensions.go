package config

import (
	"cmp"
	"strconv"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

// healthKeys is the extension health_check.
type healthKeys struct {
	Endpoint string `mapstructure:"endpoint"`
}

const (
	healthCheck           = "health_check"
	defaultHealthEndpoint = "localhost:13133"
)

// unsupportedInHealth are the keys of the Collector's health_check that ours does not have.
var unsupportedInHealth = map[string]string{
	"path":                     "take it out; the health page is at /",
	"response_body":            "take it out; the answer is ours",
	"check_collector_pipeline": "take it out; it does nothing in the Collector either",
	"tls":                      "take it out; health is answered in the clear",
	"cors":                     "take it out",
	"auth":                     "take it out; health is answered to everybody who reaches the port",
	"transport":                "take it out; health is answered over TCP",
	"use_v2":                   "take it out",
	"http":                     "take it out, and write endpoint here",
	"grpc":                     "take it out; health is answered over HTTP",
	"component_health":         "take it out",
}

// readExtensions reads extensions, of which there is one type.
func (l *loader) readExtensions() {
	for _, d := range l.entries("extensions") {
		l.extensions = append(l.extensions, d)
		if d.faulty {
			continue
		}
		if d.ID.Type == healthCheck {
			l.healthCheck(d)
			continue
		}
		d.faulty = true
		if advice, known := knownExtensions[read.Normal(d.ID.Type)]; known {
			l.Ignorable(l.AllowIgnored, d.At, read.Unsupported+"; "+advice)
			continue
		}
		l.Fault(d.At, "unknown extension type; the only extension is health_check")
	}
}

func (l *loader) healthCheck(d *declaration) {
	value, ok := l.Decode(l.Section("extensions", d, unsupportedInHealth), func() any {
		return &healthKeys{Endpoint: cmp.Or(l.options.HealthEndpoint, defaultHealthEndpoint)}
	})
	d.Config = value
	d.faulty = !ok || l.endpoint([]string{"extensions", d.spelled, "endpoint"}, value.(*healthKeys).Endpoint) == ""
}

// runExtensions checks service.extensions. An extension runs only when it is listed there, as in the Collector.
func (l *loader) runExtensions(names []string) {
	path := []string{"service", "extensions"}
	var running *declaration
	for i, name := range names {
		spot := l.Tree.At(read.Extend(path, strconv.Itoa(i))...)
		spot.Path = path
		id, err := pipeline.ParseID(name)
		if err != nil {
			l.Fault(spot, "%s", err)
			continue
		}
		d := Find(l.extensions, id)
		switch {
		case d == nil:
			l.Fault(spot, "%s is not declared under extensions; declare it there, or take it out", id)
		case d.used:
			l.Fault(spot, "%s is listed twice; take one out", id)
		case d.Config != nil && running != nil:
			l.Fault(spot, "%s is a second health_check; only one is supported, take the other out", id)
		}
		if d == nil {
			continue
		}
		d.used = true
		if keys, is := d.Config.(*healthKeys); is && running == nil {
			running = d
			l.cfg.Service.HealthEndpoint = keys.Endpoint
			l.cfg.Service.HealthEmbedded = d.Embedded
		}
	}
	for _, d := range l.extensions {
		if !d.used && !d.faulty && !d.Embedded {
			l.Warn(d.At, "it is not listed in service::extensions, so it is not started; list it there or take it out")
		}
	}
}
