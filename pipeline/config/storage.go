package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

const fileStorage = "file_storage"

// storageKeys is the extension file_storage, with the Collector's keys.
type storageKeys struct {
	Directory       string         `mapstructure:"directory"`
	CreateDirectory bool           `mapstructure:"create_directory"`
	Permissions     string         `mapstructure:"directory_permissions"` // accepted: it is always 0700
	Timeout         string         `mapstructure:"timeout"`               // accepted: there is no lock to wait for
	Compaction      map[string]any `mapstructure:"compaction"`            // accepted: files are removed once they are delivered
	Recreate        bool           `mapstructure:"recreate"`              // accepted: damage never fails a start
	Fsync           bool           `mapstructure:"fsync"`
	MinFreeMiB      int            `mapstructure:"min_free_disk_mib"`
}

// Validate reports every fault.
func (k *storageKeys) Validate() error {
	switch {
	case k.Directory != "" && !filepath.IsAbs(k.Directory) && !strings.HasPrefix(k.Directory, "."):
		return fmt.Errorf(`"directory" is %q; write an absolute path`, k.Directory)
	case k.MinFreeMiB < 0:
		return fmt.Errorf(`"min_free_disk_mib" is %d; write 0 or more`, k.MinFreeMiB)
	}
	return nil
}

func (k *storageKeys) storage() pipeline.Storage {
	return pipeline.Storage{Directory: k.Directory, Create: k.CreateDirectory, Fsync: k.Fsync, MinFree: int64(k.MinFreeMiB) << 20}
}

func (l *loader) storage(d *declaration) {
	section := l.Section("extensions", d, nil)
	value, ok := l.Decode(section, func() any { return &storageKeys{Fsync: true, MinFreeMiB: 512} })
	d.Config = value
	d.faulty = !ok
	if ok && !value.(*storageKeys).Fsync {
		l.Warn(l.Tree.At("extensions", d.spelled, "fsync"), "what was stored last is lost when the power fails; remove the key unless the disk is too slow")
	}
}

// checkStorage finds a storage that is named and does not run.
func (l *loader) checkStorage(kind pipeline.Kind, d *declaration) {
	user, is := d.Config.(pipeline.StorageUser)
	if !is || d.faulty {
		return
	}
	key, name := user.StorageKey()
	id, at, ok := l.named(kind, d, key, name)
	if !ok {
		return
	}
	if _, runs := l.cfg.Service.Storages[id]; !runs {
		l.idle(at, id)
		return
	}
	folder := id.String() + ": " + strings.ReplaceAll(d.ID.String(), "/", "_")
	if other, taken := l.queueFolders[folder]; taken && other != d.spelled {
		l.Fault(at, "%s and %s would have one folder for their queues, since / and _ are the same there; rename one of them", other, d.spelled)
	}
	l.queueFolders[folder] = d.spelled
}

// named reads a key of a component that names an extension, and returns where it stands.
func (l *loader) named(kind pipeline.Kind, d *declaration, key, name string) (id pipeline.ID, at read.At, ok bool) {
	if name == "" {
		return id, at, false
	}
	path := append([]string{sectionOf(kind), d.spelled}, strings.Split(key, "::")...)
	at = l.Tree.At(path...)
	at.Path = path
	id, err := pipeline.ParseID(name)
	if err != nil {
		l.Fault(at, "%s", err)
	}
	return id, at, err == nil
}

// idle reports an extension that is named and does not run.
func (l *loader) idle(at read.At, id pipeline.ID) {
	if Find(l.extensions, id) == nil {
		l.Fault(at, "extension %s is not declared; write it under extensions and into service::extensions", id)
		return
	}
	l.Fault(at, "extension %s does not run; list it in service::extensions", id)
}

// warnSecondCopies finds pipelines whose source keeps what is not delivered, and that end in a queue on disk all the same.
func (l *loader) warnSecondCopies() {
	for _, p := range l.cfg.Pipelines {
		var source, end *declaration
		for _, id := range p.Receivers {
			if d := l.lookup(pipeline.KindReceiver, id); d != nil && d.Component.Replays {
				source = d
			}
		}
		for _, id := range p.Exporters {
			if d := l.lookup(pipeline.KindExporter, id); d != nil {
				if user, is := d.Config.(pipeline.StorageUser); is {
					if _, name := user.StorageKey(); name != "" {
						end = d
					}
				}
			}
		}
		if source != nil && end != nil && !source.Embedded {
			l.Warn(source.At, "%s keeps what is not delivered, and pipeline %s ends in the queue on disk of %s: a second copy; give it a pipeline and an exporter of its own without storage, unless its files may go before an outage ends",
				source.ID, p.ID, end.ID)
		}
	}
}
