package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/spool"
)

// LettersDir is the folder of the dead letters, beside the lanes.
const LettersDir = lettersDir

// A Storage is a folder that a configuration has queues in.
type Storage struct {
	Dir    string
	Queues []string // the folders in it that belong to a configured exporter
}

// FolderOf is the name of an exporter's folder in a storage.
func FolderOf(id pipeline.ID) string {
	return strings.ReplaceAll(string(pipeline.KindExporter)+"/"+id.String(), "/", "_")
}

// Storages are the folders of a configuration's queues: those of all storages that run, with or without a queue, and
// those that exporters name by themselves.
func Storages(cfg *pipeline.Config, dataDir string) []Storage {
	var out []Storage
	add := func(dir string, names ...string) {
		if dir == "" {
			dir = filepath.Join(dataDir, "queues")
		}
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		i := slices.IndexFunc(out, func(s Storage) bool { return s.Dir == dir })
		if i < 0 {
			out, i = append(out, Storage{Dir: dir}), len(out)
		}
		out[i].Queues = append(out[i].Queues, names...)
	}
	for _, s := range cfg.Service.Storages {
		add(s.Directory)
	}
	for _, in := range cfg.Instances {
		if in.Component.Kind != pipeline.KindExporter {
			continue
		}
		if user, is := in.Config.(pipeline.StorageUser); is {
			if _, name := user.StorageKey(); name != "" {
				if id, err := pipeline.ParseID(name); err == nil {
					if s, runs := cfg.Service.Storages[id]; runs {
						add(s.Directory, FolderOf(in.ID))
					}
				}
			}
		}
		if own, is := in.Config.(interface{ QueueDirectory() string }); is && own.QueueDirectory() != "" {
			add(own.QueueDirectory(), FolderOf(in.ID))
		}
	}
	slices.SortFunc(out, func(a, b Storage) int { return strings.Compare(a.Dir, b.Dir) })
	return out
}

// Orphans are the queues in a storage that hold something and that no configured exporter sends.
func (s Storage) Orphans() ([]Summary, error) {
	all, err := queues(s.Dir, s.Queues)
	return slices.DeleteFunc(all, Summary.Empty), err
}

// A Summary is what a queue's folder holds, read without its lock.
type Summary struct {
	Dir     string
	Lanes   []string
	Stored  spool.Totals // unsettled
	Oldest  time.Time    // zero when nothing is stored
	Letters spool.Totals // dead letters
}

// Empty reports whether nothing would be lost with the folder.
func (s Summary) Empty() bool { return s.Stored.Records == 0 && s.Letters.Records == 0 }

// Lanes are the folders in dir that are lanes, and whether it has dead letters.
func Lanes(dir string) (lanes []string, letters bool, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, false, err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if _, is := signalOf(e.Name()); is {
			lanes = append(lanes, e.Name())
		}
		letters = letters || e.Name() == lettersDir
	}
	return lanes, letters, nil
}

// Summarize reads the folder of one queue.
func Summarize(dir string) (Summary, error) {
	s := Summary{Dir: dir}
	lanes, letters, err := Lanes(dir)
	if err != nil {
		return s, fmt.Errorf("cannot read the queue's folder: %w", err)
	}
	s.Lanes = lanes
	var errs []error
	for _, name := range lanes {
		t, oldest, err := spool.Unsettled(filepath.Join(dir, name))
		errs = append(errs, err)
		s.Stored.Records, s.Stored.Count, s.Stored.Bytes = s.Stored.Records+t.Records, s.Stored.Count+t.Count, s.Stored.Bytes+t.Bytes
		if !oldest.IsZero() && (s.Oldest.IsZero() || oldest.Before(s.Oldest)) {
			s.Oldest = oldest
		}
	}
	if letters {
		s.Letters, _, err = spool.Unsettled(filepath.Join(dir, lettersDir))
		errs = append(errs, err)
	}
	return s, errors.Join(errs...)
}

// Queues reads the queues in a storage's folder. A folder that is not there has none. After an error the others are there.
func Queues(dir string) ([]Summary, error) { return queues(dir, nil) }

func queues(dir string, without []string) ([]Summary, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("cannot read the storage's folder: %w", err)
	}
	var out []Summary
	var errs []error
	for _, e := range entries {
		sub := filepath.Join(dir, e.Name())
		if !e.IsDir() || slices.Contains(without, e.Name()) {
			continue
		}
		if lanes, letters, err := Lanes(sub); err == nil && len(lanes) == 0 && !letters {
			continue // something else
		}
		s, err := Summarize(sub)
		errs = append(errs, err)
		out = append(out, s)
	}
	return out, errors.Join(errs...)
}
