package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

type healthKeys struct {
	Endpoint string `mapstructure:"endpoint"`
	Path     string `mapstructure:"path"`
}

// Validate reports an invalid path.
func (k *healthKeys) Validate() error {
	if !strings.HasPrefix(k.Path, "/") || strings.ContainsAny(k.Path, "{} ?#") {
		return fmt.Errorf(`"path" is %q; write a path that begins with /, such as /healthz`, k.Path)
	}
	return nil
}

type profileKeys struct {
	Endpoint string `mapstructure:"endpoint"`
}

const (
	healthCheck             = "health_check"
	defaultHealthEndpoint   = "localhost:13133"
	profiling               = "pprof"
	defaultProfilesEndpoint = "localhost:1777"
)

var unsupportedInProfiles = map[string]string{
	"block_profile_fraction": "take it out; only what is recorded anyway is served",
	"mutex_profile_fraction": "take it out; only what is recorded anyway is served",
	"save_to_file":           "take it out, and fetch /debug/pprof/profile",
	"dialer":                 "take it out",
}

var unsupportedInHealth = map[string]string{
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

func (l *loader) readExtensions() {
	for _, d := range l.entries("extensions") {
		l.extensions = append(l.extensions, d)
		if d.faulty {
			continue
		}
		switch d.ID.Type {
		case healthCheck:
			l.healthCheck(d)
			continue
		case profiling:
			l.profiling(d)
			continue
		case fileStorage:
			l.storage(d)
			continue
		case leaderElector:
			l.election(d)
			continue
		}
		d.faulty = true
		typ := read.Normal(d.ID.Type)
		if advice, known := knownExtensions[typ]; known {
			l.Ignorable(l.AllowIgnored || slices.Contains(harmlessExtensions, typ), d.At, read.Unsupported+"; "+advice)
			continue
		}
		l.Fault(d.At, "unknown extension type; the extensions are health_check, pprof, file_storage and k8s_leader_elector")
	}
}

func (l *loader) profiling(d *declaration) {
	section := l.Section("extensions", d, unsupportedInProfiles)
	section.Lenient = true
	value, ok := l.Decode(section, func() any { return &profileKeys{Endpoint: defaultProfilesEndpoint} })
	d.Config = value
	d.faulty = !ok || l.endpoint([]string{"extensions", d.spelled, "endpoint"}, value.(*profileKeys).Endpoint) == ""
}

func (l *loader) healthCheck(d *declaration) {
	section := l.Section("extensions", d, unsupportedInHealth)
	section.Lenient = true
	value, ok := l.Decode(section, func() any {
		return &healthKeys{Endpoint: cmp.Or(l.options.HealthEndpoint, defaultHealthEndpoint), Path: "/"}
	})
	d.Config = value
	d.faulty = !ok || l.endpoint([]string{"extensions", d.spelled, "endpoint"}, value.(*healthKeys).Endpoint) == ""
}

// several of these may run.
var several = map[string]bool{fileStorage: true, leaderElector: true}

// runExtensions checks service.extensions. Only listed extensions run, as in the Collector.
func (l *loader) runExtensions(names []string) {
	path := []string{"service", "extensions"}
	running := map[string]bool{}
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
		case d.Config != nil && running[d.ID.Type] && !several[d.ID.Type]:
			l.Fault(spot, "%s is a second %s; only one is supported, take the other out", id, d.ID.Type)
		}
		if d == nil {
			continue
		}
		d.used = true
		if running[d.ID.Type] && !several[d.ID.Type] {
			continue
		}
		running[d.ID.Type] = d.Config != nil
		switch keys := d.Config.(type) {
		case *healthKeys:
			l.cfg.Service.HealthEndpoint, l.cfg.Service.HealthPath = keys.Endpoint, keys.Path
			l.cfg.Service.HealthEmbedded = d.Embedded
		case *storageKeys:
			if l.cfg.Service.Storages == nil {
				l.cfg.Service.Storages = map[pipeline.ID]pipeline.Storage{}
			}
			l.cfg.Service.Storages[d.ID] = keys.storage()
		case *electionKeys:
			if l.cfg.Service.Elections == nil {
				l.cfg.Service.Elections = map[pipeline.ID]pipeline.Election{}
			}
			l.cfg.Service.Elections[d.ID] = keys.election()
		case *profileKeys:
			l.cfg.Service.ProfilesEndpoint = keys.Endpoint
		}
	}
	for _, d := range l.extensions {
		if !d.used && !d.faulty && !d.Embedded {
			l.Warn(d.At, "it is not listed in service::extensions, so it is not started; list it there or take it out")
		}
	}
}
