package scrape

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"go.yaml.in/yaml/v3"
)

// While a file of file_sd cannot be read, its last targets are scraped. Prometheus' discovery forgets them in a reload, so
// each job leaves its groups, and its successor with the same discovery holds those of broken files.

// heldEvery is how often held files are looked at: discovery is silent about the removal of a file that it never read.
const heldEvery = 5 * time.Second

// found is what discovery found for a job.
type found struct {
	by     discovery.Configs
	groups []*targetgroup.Group
}

func (r *Receiver) leaveGroups() map[string]found {
	all := map[string]found{}
	for name, j := range r.jobs {
		all[name] = found{j.cfg.ServiceDiscoveryConfigs, j.groups}
	}
	return all
}

// adoptGroups makes a job with a broken file begin with all groups of its predecessor; discovery then replaces those of
// the other files.
func (r *Receiver) adoptGroups(all map[string]found) {
	for name, j := range r.jobs {
		was := all[name]
		if !reflect.DeepEqual(was.by, j.cfg.ServiceDiscoveryConfigs) {
			continue
		}
		for _, g := range was.groups {
			if path, is := fileOf(g); is && isUnreadable(path) {
				j.held = append(j.held, g)
			}
		}
		if len(j.held) > 0 {
			r.settings.Log.Warn("a file of targets cannot be read; its targets of before the reload are kept until it can", "job", name)
			j.replace(was.groups)
		}
	}
}

// withHeld adds the held groups whose files are still broken, and lets go of the others.
func (j *job) withHeld(groups []*targetgroup.Group) []*targetgroup.Group {
	var still []*targetgroup.Group
	for _, g := range j.held {
		if path, _ := fileOf(g); isUnreadable(path) {
			still = append(still, g)
		}
	}
	j.held = still
	return append(append([]*targetgroup.Group(nil), groups...), still...)
}

// review drops the targets of held files that were removed or are empty.
func (j *job) review() {
	if n := len(j.held); n == 0 {
		return
	}
	j.sync(j.reported)
}

// fileOf returns the file of a group: file_sd names it in the source, as path:index.
func fileOf(g *targetgroup.Group) (path string, is bool) {
	i := strings.LastIndexByte(g.Source, ':')
	if i < 0 {
		return "", false
	}
	path = g.Source[:i]
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json", ".yml", ".yaml":
		return path, true
	}
	return "", false
}

// isUnreadable reports whether the file exists but file_sd cannot read it.
func isUnreadable(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	var groups []*targetgroup.Group
	if strings.EqualFold(filepath.Ext(path), ".json") {
		err = json.Unmarshal(text, &groups)
	} else {
		d := yaml.NewDecoder(bytes.NewReader(text))
		d.KnownFields(true)
		if err = d.Decode(&groups); errors.Is(err, io.EOF) {
			err = nil // empty
		}
	}
	for _, g := range groups {
		if g == nil {
			return true
		}
	}
	return err != nil
}
