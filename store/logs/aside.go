package logs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	libraryfs "github.com/VictoriaMetrics/VictoriaMetrics/lib/fs"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// asideFolder holds what setAside moved.
const asideFolder = "damaged"

// metadataFile describes a part.
const metadataFile = "metadata.json"

// setAside moves days whose lists of parts are damaged out of the library's folder: it would end the process.
func (s *Store) setAside() error {
	days, err := os.ReadDir(s.partitions())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot check the folders of logs: %w", err)
	}
	for _, day := range days {
		path := filepath.Join(s.partitions(), day.Name())
		fault := s.dayFault(day)
		if fault == nil {
			continue
		}
		to := filepath.Join(s.dir, asideFolder, day.Name()+"-"+time.Now().UTC().Format(asideStamp))
		bytes := sizeOf(path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o750), os.Rename(path, to)); err != nil {
			return fmt.Errorf("cannot move the damaged %s aside: %w", path, err)
		}
		holds := "unknown"
		if _, ok := rows.ParseDay(day.Name()); ok {
			holds = "the logs of " + day.Name() + " (UTC)"
		}
		s.log.Warn("a folder of logs is damaged and was moved aside; what it holds is not found", "holds", holds, "bytes", bytes, "error", fault, "moved_to", to)
	}
	return nil
}

// dayFault returns why the library would not open a day.
func (s *Store) dayFault(day fs.DirEntry) error {
	if _, ok := rows.ParseDay(day.Name()); !ok || !day.IsDir() {
		return fmt.Errorf("%s is no folder of a day", day.Name())
	}
	if libraryfs.IsPartiallyRemovedDir(filepath.Join(s.partitions(), day.Name())) {
		return nil // it removes it
	}
	folders := s.inPartition(day.Name())
	data, index := folders[0], folders[1]
	_, err := os.Stat(index)
	missing := errors.Is(err, fs.ErrNotExist)
	if _, err := os.Stat(data); err == nil && missing {
		return errors.New("the folder indexdb is missing")
	}
	return errors.Join(partsFault(data, true), partsFault(index, false))
}

// partsFault checks the list of parts, and that each part exists. Without a list, the index has all parts, and data must
// have none.
func partsFault(dir string, listed bool) error {
	var parts []string
	text, err := os.ReadFile(filepath.Join(dir, partsFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if found, _ := filepath.Glob(filepath.Join(dir, "*", metadataFile)); listed && len(found) > 0 {
			return err
		}
		return nil
	case err != nil:
		return err
	}
	if err := json.Unmarshal(text, &parts); err != nil {
		return fmt.Errorf("cannot read %s: %w", filepath.Join(dir, partsFile), err)
	}
	for _, part := range parts {
		file := filepath.Join(dir, part, metadataFile)
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !json.Valid(text) {
			return fmt.Errorf("%s is no JSON", file)
		}
	}
	return nil
}

func sizeOf(path string) (n int64) {
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

// An asideDay is a folder that was moved aside. It counts against max_disk, and goes like other old data.
type asideDay struct {
	path  string
	bytes int64
	end   time.Time // of its day; of a folder that is no day, when it was moved
}

const asideStamp = "20060102T150405.000000000"

// noteAside reads what is set aside. Nothing else uses the store yet.
func (s *Store) noteAside() {
	s.aside = nil
	folders, _ := os.ReadDir(filepath.Join(s.dir, asideFolder))
	for _, f := range folders {
		path := filepath.Join(s.dir, asideFolder, f.Name())
		name, stamp, _ := strings.Cut(f.Name(), "-")
		end, err := time.Parse(asideStamp, stamp)
		if day, ok := rows.ParseDay(name); ok {
			end = time.Unix(0, (day+1)*rows.NsPerDay).UTC()
		} else if err != nil {
			end = time.Now()
		}
		s.aside = append(s.aside, asideDay{path, sizeOf(path), end})
	}
	slices.SortFunc(s.aside, func(a, b asideDay) int { return a.end.Compare(b.end) })
}

// setAsideBytes returns their size, and the beginning of the oldest day.
func (s *Store) setAsideBytes() (n int64, oldest time.Time) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	for _, d := range s.aside {
		n += d.bytes
	}
	if len(s.aside) > 0 {
		oldest = s.aside[0].end.AddDate(0, 0, -1)
	}
	return n, oldest
}

// dropAside removes the oldest of those that end before a time. It returns that end, or the zero time if there is none.
func (s *Store) dropAside(before time.Time) (end time.Time, err error) {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed || len(s.aside) == 0 || !s.aside[0].end.Before(before) {
		return end, nil
	}
	first := s.aside[0]
	if err := os.RemoveAll(first.path); err != nil {
		return end, fmt.Errorf("cannot remove damaged logs: %w", err)
	}
	s.aside = s.aside[1:]
	s.log.Info("removed damaged logs that had been set aside", "folder", first.path, "bytes", first.bytes)
	return first.end, nil
}
