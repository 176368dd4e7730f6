// Package engine wraps VictoriaLogs' storage library, without its panics and global flags. It takes
// [logstorage.LogRows] and answers LogsQL.
package engine

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/cgroup"

	_ "github.com/sluiceio/sluice/internal/stdlog" // the library's metrics package speaks while it is initialised
)

// The library's limits are wider than ours, so that it never silently drops a row that we accepted, even if the clock
// changes.
const (
	flushInterval  = 10 * time.Second // from memory to disk; until then the write-ahead log has the rows
	RetentionSlack = time.Hour        // how much longer the library keeps rows
	futureLimit    = 30 * 24 * time.Hour
	minMemoryBytes = 16 << 20
)

// An Engine is an open storage.
type Engine struct{ *logstorage.Storage }

// Open opens the storage in dir. Panics of the library (a folder in use, damaged files) become errors.
func Open(dir string, retention time.Duration, memoryBytes int64) (_ Engine, err error) {
	if err := setUp(memoryBytes); err != nil {
		return Engine{}, err
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot open the log storage in %s: %v", dir, r)
		}
	}()
	return Engine{logstorage.MustOpenStorage(dir, &logstorage.StorageConfig{
		Retention:              retention + RetentionSlack,
		FutureRetention:        futureLimit,
		FlushInterval:          flushInterval,
		DefaultParallelReaders: Workers(),
	})}, nil
}

// Workers is the number of concurrent callbacks of a query.
func Workers() int { return cgroup.AvailableCPUs() }

// setUp sets what the library takes from global flags: memory (default 60 % of the machine) and log level. The
// library requires parsed flags; our commands do not use package flag, so this parses no arguments.
func setUp(memoryBytes int64) error {
	if !flag.Parsed() {
		if err := flag.CommandLine.Parse(nil); err != nil {
			return fmt.Errorf("cannot prepare the flags of the log storage: %w", err)
		}
	}
	return errors.Join(
		flag.Set("memory.allowedBytes", strconv.FormatInt(max(memoryBytes, minMemoryBytes), 10)),
		flag.Set("loggerLevel", "ERROR"),
	)
}
