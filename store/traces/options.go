package traces

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options are what the store component decides for this part of it. Zero values mean the defaults.
type Options struct {
	// Retention is how long a span is kept, counted from its end. Default 7 days.
	Retention time.Duration
	// MaxBytes is the most disk this part may take by itself; 0 leaves it to the budget over all stores.
	MaxBytes int64
	// MemoryBytes is what the block cache and the memtables may take together. Default 32 MiB, least 8 MiB.
	MemoryBytes int64
	// MaxTraceBytes is how much of one trace is ever read into memory. Default 16 MiB. A larger trace is answered
	// in part, and the answer says so.
	MaxTraceBytes int
	// MaxQueries is how many requests read at once; further ones wait. Default 4.
	MaxQueries int
	// Now is the clock, for tests.
	Now func() time.Time

	fs vfs.FS // for tests
}

// Bounds that nobody needs to set.
const (
	minMemoryBytes = 8 << 20
	// maxAhead is how far beyond now a span may end: a clock in the wrong time zone is 14 h off at most. Further
	// ahead, retention would keep the span longer than anything else.
	maxAhead = 24 * time.Hour
	// retentionEvery is how often retention looks.
	retentionEvery = time.Minute
	// blockBytes is the size of a table block before compression: traces are read in runs, and larger blocks
	// compress better than the 4 KiB of a store that is read by point.
	blockBytes = 32 << 10
	bloomBits  = 10
)

// DefaultOptions returns the options with every default written out.
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
		o.fs = vfs.Default // as it is; without, the library watches for slow disks, with a goroutine, to log them
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

// engine gives pebble's options. Memory goes half to the cache, and an eighth to each of up to three memtables, of
// which one fills while others are written out.
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
	// Fragments of one service beside each other shrink to a sixth with the fastest there is; zstd made them no smaller.
	p.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	return p
}
