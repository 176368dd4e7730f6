package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// stampLayout is the Collector's: data-2022-09-14T05-02-14.173.json.
const stampLayout = "2006-01-02T15-04-05.000"

// rotateLocked renames the file and starts a new one. With fsync it syncs first, so that a waiting sync may ignore the old
// file.
func (e *Exporter) rotateLocked(r *Rotation) error {
	now := time.Now()
	if !r.LocalTime {
		now = now.UTC()
	}
	aside, err := free(e.config.Path, now)
	if err != nil {
		return err
	}
	if e.config.Fsync {
		if err := e.file.Sync(); err != nil {
			return fmt.Errorf("cannot sync before the rotation: %w", err)
		}
	}
	if err := os.Rename(e.config.Path, aside); err != nil {
		return fmt.Errorf("cannot put the full file aside: %w", err)
	}
	old := e.file
	if err := e.openLocked(false); err != nil {
		// Rename back, so that the next request can retry.
		return errors.Join(err, os.Rename(aside, e.config.Path))
	}
	if err := old.Close(); err != nil {
		e.settings.Log.Warn("cannot close the full file", "path", aside, "error", err)
	}
	if err := e.prune(r, now); err != nil {
		e.settings.Log.Warn("cannot remove old files", "error", err)
	}
	return nil
}

// free returns an unused backup name: two rotations may fall into one millisecond.
func free(path string, now time.Time) (string, error) {
	for range 1000 {
		name := predecessor(path, now)
		if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) {
			return name, nil
		}
		now = now.Add(time.Millisecond)
	}
	return "", fmt.Errorf("cannot find a free name beside %s", path)
}

func predecessor(path string, at time.Time) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + "-" + at.Format(stampLayout) + ext
}

// prune removes only backups with names that we would make.
func (e *Exporter) prune(r *Rotation, now time.Time) error {
	if r.MaxBackups == 0 && r.MaxDays == 0 {
		return nil
	}
	entries, err := os.ReadDir(filepath.Dir(e.config.Path))
	if err != nil {
		return err
	}
	base := filepath.Base(e.config.Path)
	ext := filepath.Ext(base)
	prefix := strings.TrimSuffix(base, ext) + "-"
	var stamps []time.Time
	for _, entry := range entries {
		stamp, ok := strings.CutPrefix(strings.TrimSuffix(entry.Name(), ext), prefix)
		if !ok || !strings.HasSuffix(entry.Name(), ext) || !entry.Type().IsRegular() {
			continue
		}
		if at, err := time.ParseInLocation(stampLayout, stamp, now.Location()); err == nil {
			stamps = append(stamps, at)
		}
	}
	slices.SortFunc(stamps, func(a, b time.Time) int { return b.Compare(a) })
	var errs []error
	for i, at := range stamps {
		if (r.MaxBackups > 0 && i >= r.MaxBackups) || (r.MaxDays > 0 && now.Sub(at) > time.Duration(r.MaxDays)*24*time.Hour) {
			errs = append(errs, os.Remove(predecessor(e.config.Path, at)))
		}
	}
	return errors.Join(errs...)
}
