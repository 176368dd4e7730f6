package logs

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sluiceio/sluice/internal/statefile"
)

// The library ends the process when it cannot write, some seconds after a row came. So if the folder of a running
// store is removed, it is recreated, appends stop, and the library flushes into it. It then lists parts that are
// gone; the next start removes these from the list.

// orphanFile marks a folder removed at run time.
const orphanFile = "removed_while_running"

// partsFile is the library's list of parts.
const partsFile = "parts.json"

// Folders must exist while the store is open.
func (s *Store) Folders() []string {
	list := []string{s.dir, filepath.Join(s.dir, "wal"), filepath.Join(s.dir, "names"), s.partitions()}
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return nil
	}
	for _, day := range s.engine.PartitionList() {
		list = append(list, s.inPartition(day)...)
	}
	return list
}

func (s *Store) partitions() string { return filepath.Join(s.dir, "data", "partitions") }

func (s *Store) inPartition(day string) []string {
	return []string{filepath.Join(s.partitions(), day, "datadb"), filepath.Join(s.partitions(), day, "indexdb")}
}

// Orphan is called, repeatedly, after folders were removed and recreated. No appends may follow.
func (s *Store) Orphan() error {
	s.orphaned.Store(true) // no checkpoints: they link files that are gone
	if _, err := os.Stat(filepath.Join(s.dir, orphanFile)); err == nil {
		return nil
	}
	return statefile.Replace(filepath.Join(s.dir, orphanFile), []byte(time.Now().UTC().Format(time.RFC3339)+"\n"))
}

// Ready returns why no rows are accepted.
func (s *Store) Ready() error {
	if !s.wal.Healthy() {
		return errors.New("the write-ahead log of logs cannot be written; free some disk")
	}
	return nil
}

// adopt repairs a marked folder for the library.
func (s *Store) adopt() error {
	mark := filepath.Join(s.dir, orphanFile)
	if _, err := os.Stat(mark); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	days, err := os.ReadDir(s.partitions())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot look at what was removed: %w", err)
	}
	lost := 0
	for _, day := range days {
		for _, dir := range s.inPartition(day.Name()) {
			n, err := dropMissing(dir)
			if err != nil {
				return fmt.Errorf("cannot look at what was removed: %w", err)
			}
			lost += n
		}
	}
	s.log.Warn("the folder of logs was removed while the process ran; what is left of it is opened", "directory", s.dir, "parts_lost", lost)
	return os.Remove(mark)
}

// dropMissing removes missing parts from the list, and returns how many.
func dropMissing(dir string) (int, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return 0, err
	}
	file := filepath.Join(dir, partsFile)
	listed := []string{}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &listed)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	there := slices.DeleteFunc(slices.Clone(listed), func(part string) bool {
		_, err := os.Stat(filepath.Join(dir, part))
		return errors.Is(err, os.ErrNotExist)
	})
	if text, err = json.Marshal(there); err != nil {
		return 0, err
	}
	return len(listed) - len(there), statefile.Replace(file, text)
}
