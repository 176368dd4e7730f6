package tail

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/finder"
	"github.com/sluiceio/sluice/receivers/tail/record"
)

// Where reading begins in files that are there when the receiver runs for the first time.
const (
	startAtEnd       = "end"
	startAtBeginning = "beginning"
)

// Config is what a user sets.
type Config struct {
	// Include lists globs of the files to read: paths with * ? [..] {a,b} in each part and ** for any number of folders.
	Include []string `mapstructure:"include"`
	// Exclude lists globs of files that Include gives and that are not read.
	Exclude []string `mapstructure:"exclude"`
	// FollowSymlinks lists the folders into which symbolic links may lead. A link to a file beside it, or to one that Include
	// gives too, is followed as well; any other is reported as unreadable.
	FollowSymlinks []string `mapstructure:"follow_symlinks"`
	// StartAt says where reading begins in files that are there at the very first start, when no checkpoint exists:
	// "end" or "beginning". Files that appear later are always read from the beginning.
	StartAt string `mapstructure:"start_at"`
	// Format is "cri" (Kubernetes container logs), "plain", or "auto": a pod's path means CRI, and elsewhere each file's first
	// line decides.
	Format string `mapstructure:"format"`
	// PollInterval is how often files are looked at, and the folders for new ones. With more than some hundred files
	// those at rest, and the folders, are looked at less often, to bound the cost; each file at least every five seconds.
	PollInterval time.Duration `mapstructure:"poll_interval"`
	// MaxLineBytes bounds a record's body; what is longer is cut there, flagged with log.truncated and counted.
	MaxLineBytes int `mapstructure:"max_line_bytes"`
	// MaxBatchBytes bounds a request.
	MaxBatchBytes int `mapstructure:"max_batch_bytes"`
	// MaxInFlight is how many requests of one file may be outstanding. 1 keeps the order strict also while the
	// pipeline sends several at once.
	MaxInFlight int `mapstructure:"max_in_flight"`
	// MaxInFlightBytes bounds the outstanding requests of all files together.
	MaxInFlightBytes int64 `mapstructure:"max_in_flight_bytes"`
	// MaxOpenFiles is how many files are open at once, read or at rest; the others take turns.
	MaxOpenFiles int `mapstructure:"max_open_files"`
	// MaxDeletedBytes is how much disk space deleted files may hold that are open because they are not read to their
	// end. Past it the rest of the largest is given up and counted as rotated_unread.
	MaxDeletedBytes int64 `mapstructure:"max_deleted_bytes"`
	// CheckpointDir is the folder of the checkpoint file; empty: the receiver's own folder in the data directory.
	CheckpointDir string `mapstructure:"checkpoint_dir"`
	// ServiceName is the service.name of files that are no container logs; empty: the file's base name.
	ServiceName string `mapstructure:"service_name"`
	// Attributes are added to the resource of every record and win over what the path says; an empty value removes.
	Attributes map[string]string `mapstructure:"attributes"`
}

// Default is the configuration without a file.
func Default() *Config {
	return &Config{
		FollowSymlinks:   []string{"/var/log/pods", "/var/log/containers", "/var/lib/docker/containers"}, // the kubelet's
		StartAt:          startAtEnd,
		Format:           record.FormatAuto,
		PollInterval:     200 * time.Millisecond,
		MaxLineBytes:     64 << 10,
		MaxBatchBytes:    256 << 10,
		MaxInFlight:      4,
		MaxInFlightBytes: 16 << 20,
		MaxOpenFiles:     1024,
		MaxDeletedBytes:  1 << 30,
	}
}

// Validate reports every fault at once.
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
	for _, root := range c.FollowSymlinks {
		fault(!filepath.IsAbs(root) || strings.ContainsAny(root, "*?"), `"follow_symlinks": %q is not a folder's whole path`, root)
	}
	fault(c.StartAt != startAtEnd && c.StartAt != startAtBeginning, `"start_at" is %q: set end or beginning`, c.StartAt)
	fault(!slices.Contains([]string{record.FormatAuto, record.FormatPlain, record.FormatCRI}, c.Format), `"format" is %q: set auto, plain or cri`, c.Format)
	fault(c.PollInterval < time.Millisecond, `"poll_interval" is %s: set at least 1ms; the default is 200ms`, c.PollInterval)
	fault(c.MaxLineBytes < minLine || c.MaxLineBytes > maxLine, `"max_line_bytes" is %d: set a value from %d to %d`, c.MaxLineBytes, minLine, maxLine)
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

const (
	minLine  = 16
	maxLine  = 16 << 20
	minBatch = 32 << 10 // room for the longest path, the attributes and some lines
	maxExtra = 16 << 10 // of attributes
)

// Component describes the receiver to the engine.
func Component() pipeline.Component {
	return pipeline.Receiver("tail", Default, func(s pipeline.Settings, c *Config, out pipeline.Outputs) (any, error) {
		return New(s, c, out)
	}, pipeline.Logs).WithDoc("Log files: plain and Kubernetes container logs, with rotation, checkpoint after delivery")
}
