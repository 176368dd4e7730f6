package tail

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/detect"
	"github.com/sluiceio/sluice/receivers/tail/finder"
	"github.com/sluiceio/sluice/receivers/tail/pods"
	"github.com/sluiceio/sluice/receivers/tail/record"
)

const (
	startAtEnd       = "end"
	startAtBeginning = "beginning"

	detectSeverity = "severity"
	detectTrace    = "trace"
)

// Config is what a user sets.
type Config struct {
	// Include lists globs of the files to read: * ? [..] {a,b} in each path part, ** for any number of folders.
	Include []string `mapstructure:"include"`
	// Exclude lists globs of files to leave out.
	Exclude []string `mapstructure:"exclude"`
	// IncludeNamespaces lists the Kubernetes namespaces whose container logs are read; empty: all. Each may be a pattern: kube-*.
	// Other files are not concerned.
	IncludeNamespaces []string `mapstructure:"include_namespaces"`
	// ExcludeNamespaces lists namespaces whose container logs are left out, in the same way.
	ExcludeNamespaces []string `mapstructure:"exclude_namespaces"`
	// Pods chooses container logs by their pods' labels and annotations, which the Kubernetes API tells; nil: it is not asked.
	Pods *pods.Config `mapstructure:"pods"`
	// FollowSymlinks lists the folders that symbolic links may point into. Links to a file in the same folder, or to one
	// that Include matches, are always followed; others are reported as unreadable.
	FollowSymlinks []string `mapstructure:"follow_symlinks"`
	// StartAt ("end" or "beginning") applies to files found at the first start, without a checkpoint. Later files are read
	// from the beginning.
	StartAt string `mapstructure:"start_at"`
	// Format is "cri" (container logs of containerd and CRI-O), "docker" (of Docker's json-file driver), "plain" or "auto":
	// CRI or Docker for pod log paths, else decided by each file's first line.
	Format string `mapstructure:"format"`
	// PollInterval is how often files and folders are checked. With more than a few hundred files, idle files and folders
	// are checked less often; each file at least every five seconds.
	PollInterval time.Duration `mapstructure:"poll_interval"`
	// MaxLineBytes limits a record's body; longer lines are cut, flagged with log.truncated and counted.
	MaxLineBytes int `mapstructure:"max_line_bytes"`
	// Multiline joins lines into one record, such as stack traces.
	Multiline Multiline `mapstructure:"multiline"`
	// ForceFlushPeriod is how long a record waits for its next line.
	ForceFlushPeriod time.Duration `mapstructure:"force_flush_period"`
	// Detect lists what is taken from lines of JSON, logfmt and klog: "severity" and "trace" (trace id, span id, flags).
	Detect []string `mapstructure:"detect"`
	// Linger is how long a line waits for lines of other files, to be sent in one request with them. 0: each file has
	// requests of its own. A file that fills requests does not wait.
	Linger time.Duration `mapstructure:"linger"`
	// MaxBatchBytes limits one request.
	MaxBatchBytes int `mapstructure:"max_batch_bytes"`
	// MaxInFlight limits the outstanding requests per file. 1 keeps strict order.
	MaxInFlight int `mapstructure:"max_in_flight"`
	// MaxInFlightBytes limits the outstanding requests of all files.
	MaxInFlightBytes int64 `mapstructure:"max_in_flight_bytes"`
	// MaxOpenFiles limits the open files, active or idle.
	MaxOpenFiles int `mapstructure:"max_open_files"`
	// MaxDeletedBytes limits the disk space of deleted files still being read. Above it, the rest of the largest is given up
	// and counted as rotated_unread.
	MaxDeletedBytes int64 `mapstructure:"max_deleted_bytes"`
	// CheckpointDir is the checkpoint's folder; empty: the receiver's folder in the data directory.
	CheckpointDir string `mapstructure:"checkpoint_dir"`
	// ServiceName is the service.name of files other than container logs; empty: from the file name.
	ServiceName string `mapstructure:"service_name"`
	// Attributes are added to every resource and override others; an empty value removes the attribute.
	Attributes map[string]string `mapstructure:"attributes"`
}

// Default returns the default configuration.
func Default() *Config {
	return &Config{
		FollowSymlinks:   []string{"/var/log/pods", "/var/log/containers", "/var/lib/docker/containers"}, // the kubelet's
		StartAt:          startAtEnd,
		Format:           record.FormatAuto,
		PollInterval:     200 * time.Millisecond,
		MaxLineBytes:     64 << 10,
		Multiline:        Multiline{MaxLines: maxLinesDefault},
		ForceFlushPeriod: 500 * time.Millisecond, // the Collector's
		Linger:           time.Second,
		MaxBatchBytes:    256 << 10,
		MaxInFlight:      4,
		MaxInFlightBytes: 16 << 20,
		MaxOpenFiles:     1024,
		MaxDeletedBytes:  1 << 30,
	}
}

// Validate reports all faults at once.
func (c *Config) Validate() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(len(c.Include) == 0, `"include" is empty: name at least one file, for example /var/log/*.log`)
	for _, list := range []struct {
		key   string
		globs []string
	}{{"include", c.Include}, {"exclude", c.Exclude}} {
		for _, glob := range list.globs {
			_, err := finder.ParseGlobs([]string{glob})
			fault(err != nil, `"%s": %w`, list.key, err)
		}
	}
	for _, list := range []struct {
		key   string
		names []string
	}{{"include_namespaces", c.IncludeNamespaces}, {"exclude_namespaces", c.ExcludeNamespaces}} {
		for _, name := range list.names {
			_, err := path.Match(name, "")
			fault(err != nil || name == "" || strings.ContainsAny(name, "/_"), `"%s": %q is no name of a namespace, and no pattern of names: write default, or kube-*`, list.key, name)
		}
	}
	for _, root := range c.FollowSymlinks {
		fault(!filepath.IsAbs(root) || strings.ContainsAny(root, "*?"), `"follow_symlinks": %q is not an absolute path without wildcards`, root)
	}
	fault(c.StartAt != startAtEnd && c.StartAt != startAtBeginning, `"start_at" is %q: set end or beginning`, c.StartAt)
	fault(!slices.Contains(record.Formats(), c.Format), `"format" is %q: set auto, plain, cri or docker`, c.Format)
	fault(c.PollInterval < time.Millisecond, `"poll_interval" is %s: set at least 1ms; the default is 200ms`, c.PollInterval)
	fault(c.MaxLineBytes < minLine || c.MaxLineBytes > maxLine, `"max_line_bytes" is %d: set a value from %d to %d`, c.MaxLineBytes, minLine, maxLine)
	if err := c.Pods.Validate(); err != nil {
		errs = append(errs, fmt.Errorf(`"pods": %w`, err))
	}
	if err := c.Multiline.validate(); err != nil {
		errs = append(errs, err)
	}
	fault(c.ForceFlushPeriod < minFlush || c.ForceFlushPeriod > maxFlush, `"force_flush_period" is %s: set %s to %s; the default is 500ms`, c.ForceFlushPeriod, minFlush, maxFlush)
	for _, what := range c.Detect {
		fault(what != detectSeverity && what != detectTrace, `"detect" has %q: list severity, trace, or nothing`, what)
	}
	fault(c.Linger < 0 || c.Linger > maxLinger, `"linger" is %s: set 0 to %s; the default is 1s`, c.Linger, maxLinger)
	least := 2*c.MaxLineBytes + minBatch
	fault(c.MaxBatchBytes < least, `"max_batch_bytes" is %d: set at least %d, so that two lines of "max_line_bytes" fit in a request`, c.MaxBatchBytes, least)
	fault(c.MaxInFlight < 1, `"max_in_flight" is %d: set at least 1`, c.MaxInFlight)
	fault(c.MaxInFlightBytes < int64(c.MaxBatchBytes), `"max_in_flight_bytes" is %d: set at least "max_batch_bytes" (%d)`, c.MaxInFlightBytes, c.MaxBatchBytes)
	fault(c.MaxOpenFiles < 1, `"max_open_files" is %d: set at least 1`, c.MaxOpenFiles)
	fault(c.MaxDeletedBytes < 0, `"max_deleted_bytes" is %d: set 0 or more`, c.MaxDeletedBytes)
	extra := 0
	for key, value := range c.Attributes {
		extra += len(key) + len(value)
		fault(key == "", `"attributes" has an empty key: give the attribute a name, or remove it`)
	}
	fault(extra > maxExtra, `"attributes" take %d bytes: shorten them to at most %d bytes in total`, extra, maxExtra)
	return errors.Join(errs...)
}

// leavesOut tells which files the namespaces and the pods leave out; nil: none.
func (c *Config) leavesOut(by *pods.Chooser) func(name string) bool {
	namespaces := len(c.IncludeNamespaces)+len(c.ExcludeNamespaces) > 0
	if !namespaces && by == nil {
		return nil
	}
	return func(name string) bool {
		namespace, isPod := record.NamespaceOf(name)
		if !isPod {
			return false
		}
		matches := func(pattern string) bool {
			ok, _ := path.Match(pattern, namespace)
			return ok
		}
		if slices.ContainsFunc(c.ExcludeNamespaces, matches) || len(c.IncludeNamespaces) > 0 && !slices.ContainsFunc(c.IncludeNamespaces, matches) {
			return true
		}
		uid, _ := record.PodUIDOf(name)
		return by.LeavesOut(uid)
	}
}

// detects returns what package detect looks for.
func (c *Config) detects() (wanted int) {
	if slices.Contains(c.Detect, detectSeverity) {
		wanted |= detect.Severity
	}
	if slices.Contains(c.Detect, detectTrace) {
		wanted |= detect.Trace
	}
	return wanted
}

const (
	minLine   = 16
	maxLine   = 16 << 20
	minBatch  = 32 << 10 // room for the longest path, the attributes and some lines
	maxLinger = time.Minute
	maxExtra  = 16 << 10 // of attributes
)

// Component describes the receiver to the engine.
func Component() pipeline.Component {
	c := pipeline.Receiver("tail", Default, func(s pipeline.Settings, c *Config, out pipeline.Outputs) (any, error) {
		return New(s, c, out)
	}, pipeline.Logs).WithDoc("Log files: plain and container logs (CRI, Docker), with rotation, checkpoint after delivery").Replaying()
	return pipeline.WithPlayer(c, newPlayer)
}
