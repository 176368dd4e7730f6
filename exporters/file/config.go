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

// Config has the keys of the Collector's file exporter, plus Fsync.
type Config struct {
	// Path is the output file, absolute or relative to the working directory.
	Path string `mapstructure:"path"`
	// Format is json (OTLP/JSON, one request per line) or proto (a four-byte big-endian length, then the request).
	Format string `mapstructure:"format"`
	// Append keeps the existing content at start.
	Append bool `mapstructure:"append"`
	// Fsync acknowledges a request only when it survives a power loss.
	Fsync bool `mapstructure:"fsync"`
	// FlushInterval is accepted for compatibility; everything is written before it is acknowledged.
	FlushInterval time.Duration `mapstructure:"flush_interval"`
	// Rotation, if set, renames a full file to a name with the time.
	Rotation configoptional.Optional[Rotation] `mapstructure:"rotation"`
	// CreateDirectory creates Path's directory at start.
	CreateDirectory bool `mapstructure:"create_directory"`
	// DirectoryPermissions is the octal mode of created directories; the umask applies.
	DirectoryPermissions string `mapstructure:"directory_permissions"`
}

// Rotation limits the file and its backups.
type Rotation struct {
	// MaxMegabytes limits the file size.
	MaxMegabytes int `mapstructure:"max_megabytes"`
	// MaxDays is the age at which a backup is removed; 0: never.
	MaxDays int `mapstructure:"max_days"`
	// MaxBackups limits the number of backups; 0: no limit.
	MaxBackups int `mapstructure:"max_backups"`
	// LocalTime uses local time instead of UTC in backup names.
	LocalTime bool `mapstructure:"localtime"`
}

const (
	formatJSON  = "json"
	formatProto = "proto"
)

// Default returns the Collector's defaults, but appends: acknowledged data must survive a restart.
func Default() *Config {
	return &Config{
		Format: formatJSON, Append: true, FlushInterval: time.Second, DirectoryPermissions: "0755",
		Rotation: configoptional.Default(Rotation{MaxMegabytes: 100, MaxBackups: 100}),
	}
}

// Validate reports every fault with its key.
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
