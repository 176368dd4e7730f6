// Package engine is VictoriaLogs' storage library as the log store uses it: opened without its panics and global flags
// in the way, and asked in its own query language, LogsQL. Rows are its [logstorage.LogRows].
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

// What the library does on its own. Its windows are wider than ours on both sides, so that it never drops a row in
// silence that we took: the row in question may lie between our look at the clock and the library's, and a clock that
// is set back must not make it remove days as lying in the future.
const (
	flushInterval  = 10 * time.Second // rows in memory become a file part; the write-ahead log covers them till then
	RetentionSlack = time.Hour        // how long rows are kept beyond what Open is told
	futureLimit    = 30 * 24 * time.Hour
	minMemoryBytes = 16 << 20
)

// An Engine is an open storage.
type Engine struct{ *logstorage.Storage }

// Open opens the storage in dir. The library panics where others return errors (a folder in use by another process,
// damaged files); here that becomes an error.
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

// Workers is how many goroutines of the library call back at once while a query runs.
func Workers() int { return cgroup.AvailableCPUs() }

// setUp sets what the library takes from package-level flags only: its memory (60 % of the machine unless told)
// and the level of its own log, which goes to standard error. The library refuses to start before the standard flag
// set was parsed; our commands use another one, so it is parsed here, with no arguments. Flags that somebody has
// parsed (go test) stay as they are.
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
