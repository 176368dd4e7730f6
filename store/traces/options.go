package traces

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options configure the store. A zero field means its default.
type Options struct {
	// Retention counts from a span's end. Default 7 days.
	Retention time.Duration
	// MaxBytes limits this store on disk; 0 leaves that to the shared budget.
	MaxBytes int64
	// MemoryBytes limits block cache and memtables together. Default 32 MiB, minimum 8 MiB.
	MemoryBytes int64
	// MaxTraceBytes limits how much of a trace is read; the answer says when it is partial. Default 16 MiB.
	MaxTraceBytes int
	// MaxQueries limits concurrent queries; others wait. Default 4.
	MaxQueries int
	// Now is the clock, for tests.
	Now func() time.Time

	fs vfs.FS // for tests
}

const (
	minMemoryBytes = 8 << 20
	// maxAhead is how far in the future a span may end; a wrong time zone is at most 14 h off. Retention would keep
	// later ones too long.
	maxAhead       = 24 * time.Hour
	retentionEvery = time.Minute
	// blockBytes is the uncompressed table block. Traces are read in runs, so it exceeds the usual 4 KiB; it also
	// compresses better.
	blockBytes = 32 << 10
	bloomBits  = 10
)

// DefaultOptions returns all defaults.
func DefaultOptions() Options { return Options{}.withDefaults() }

func (o Options) withDefaults() Options {
	if o.Retention == 0 {
		o.Retention = 7 * 24 * time.Hour
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = 32 << 20
	}
	if o.MaxTraceBytes == 0 {
		o.MaxTraceBytes = 16 << 20
	}
	if o.MaxQueries == 0 {
		o.MaxQueries = 4
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.fs == nil {
		o.fs = vfs.Default // unwrapped; pebble's default adds a goroutine that logs slow disks
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Retention < time.Hour {
		errs = append(errs, errors.New("the retention of traces is shorter than 1h, the unit in which they are dropped"))
	}
	if o.MaxBytes < 0 {
		errs = append(errs, errors.New("the disk limit of traces is negative"))
	}
	if o.MemoryBytes < minMemoryBytes {
		errs = append(errs, errors.New("the memory limit of traces is under 8 MiB"))
	}
	if o.MaxTraceBytes < 0 || o.MaxQueries < 0 {
		errs = append(errs, errors.New("a limit on trace queries is negative"))
	}
	return errors.Join(errs...)
}

// engine returns pebble's options: half of the memory for the cache, an eighth for each of up to three memtables.
func (o Options) engine(log pebble.Logger) *pebble.Options {
	p := &pebble.Options{
		CacheSize:                   o.MemoryBytes / 2,
		MemTableSize:                uint64(o.MemoryBytes / 8),
		MemTableStopWritesThreshold: 3,
		MaxOpenFiles:                256,
		MaxManifestFileSize:         1 << 20,
		Comparer:                    newComparer(),
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		Logger:                      log,
		FS:                          o.fs,
	}
	for i := range p.Levels {
		p.Levels[i].BlockSize = blockBytes
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBits)
	}
	// Neighbouring fragments of one service shrink to a sixth even with the fastest codec; zstd gained nothing.
	p.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	return p
}
