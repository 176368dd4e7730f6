package file

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/config/configoptional"

	"github.com/sluiceio/sluice/pipeline"
)

// Config is what a user sets: the keys of the Collector's file exporter, and our own fsync.
type Config struct {
	// Path is the file that is written to. A relative path is below the working directory.
	Path string `mapstructure:"path"`
	// Format is json (OTLP/JSON, one request a line) or proto (four bytes of length, big-endian, before each request).
	Format string `mapstructure:"format"`
	// Append says whether what is in the file when we start stays there.
	Append bool `mapstructure:"append"`
	// Fsync makes nil mean that the request survives a power cut, rather than the end of this process.
	Fsync bool `mapstructure:"fsync"`
	// FlushInterval is taken for the Collector's sake: everything is written before it is answered.
	FlushInterval time.Duration `mapstructure:"flush_interval"`
	// Rotation, when the section is there, puts a full file aside under a name with the time.
	Rotation configoptional.Optional[Rotation] `mapstructure:"rotation"`
	// CreateDirectory makes the directory of Path at the start.
	CreateDirectory bool `mapstructure:"create_directory"`
	// DirectoryPermissions are those of directories made, in octal; the process' umask applies.
	DirectoryPermissions string `mapstructure:"directory_permissions"`
}

// Rotation bounds the file and what is kept of its predecessors.
type Rotation struct {
	// MaxMegabytes is the size over which the file is not grown.
	MaxMegabytes int `mapstructure:"max_megabytes"`
	// MaxDays is the age at which a predecessor is removed; 0 keeps it.
	MaxDays int `mapstructure:"max_days"`
	// MaxBackups is how many predecessors are kept; 0 keeps all.
	MaxBackups int `mapstructure:"max_backups"`
	// LocalTime puts local time rather than UTC into the names of predecessors.
	LocalTime bool `mapstructure:"localtime"`
}

// The formats.
const (
	formatJSON  = "json"
	formatProto = "proto"
)

// Default is the Collector's, but appends: what was acknowledged must outlive a restart and a reload.
func Default() *Config {
	return &Config{
		Format: formatJSON, Append: true, FlushInterval: time.Second, DirectoryPermissions: "0755",
		Rotation: configoptional.Default(Rotation{MaxMegabytes: 100, MaxBackups: 100}),
	}
}

// Validate names every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	switch {
	case c.Path == "":
		errs = append(errs, errors.New(`"path" is not set; write the name of a file`))
	case filepath.Base(c.Path) != filepath.Clean(c.Path) && c.Path[len(c.Path)-1] == filepath.Separator:
		errs = append(errs, fmt.Errorf(`"path" is %q, a directory; write the name of a file`, c.Path))
	}
	if c.Format != formatJSON && c.Format != formatProto {
		errs = append(errs, fmt.Errorf(`"format" is %q; write json or proto`, c.Format))
	}
	if c.FlushInterval < 0 {
		errs = append(errs, fmt.Errorf(`"flush_interval" is %s; remove the key, everything is written at once`, c.FlushInterval))
	}
	if _, err := c.permissions(); err != nil {
		errs = append(errs, fmt.Errorf(`"directory_permissions" is %q; write an octal number such as "0755"`, c.DirectoryPermissions))
	}
	if r := c.Rotation.Get(); r != nil {
		if r.MaxMegabytes < 1 {
			errs = append(errs, fmt.Errorf(`"rotation::max_megabytes" is %d; write at least 1`, r.MaxMegabytes))
		}
		if r.MaxDays < 0 || r.MaxBackups < 0 {
			errs = append(errs, errors.New(`"rotation::max_days" and "rotation::max_backups" cannot be negative; write 0 to keep all`))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) permissions() (fs.FileMode, error) {
	n, err := strconv.ParseUint(c.DirectoryPermissions, 8, 32)
	if err != nil || fs.FileMode(n)&^fs.ModePerm != 0 {
		return 0, errors.New("not a permission")
	}
	return fs.FileMode(n), nil
}

// Component describes the exporter to the engine.
func Component() pipeline.Component {
	return pipeline.Exporter("file", Default, New, pipeline.Signals[:]...).
		WithDoc("writes requests to a file, as OTLP/JSON lines or as protobuf").
		WithUnsupported(map[string]string{
			"compression": "compress the rotated files from outside, or remove the key",
			"encoding":    "encoding extensions are not hosted; write format: json or proto",
			"group_by":    "name one file exporter for each file and route to them",
		})
}
