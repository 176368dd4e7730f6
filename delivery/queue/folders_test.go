package queue

import (
	"path/filepath"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
)

type user struct{ storage, dir string }

func (u user) StorageKey() (key, name string) { return "sending_queue::storage", u.storage }
func (u user) QueueDirectory() string         { return u.dir }

// TestStorages: all that run, also those that no exporter uses, and folders that exporters name.
func TestStorages(t *testing.T) {
	exporter := pipeline.Component{Kind: pipeline.KindExporter}
	cfg := &pipeline.Config{
		Service: pipeline.ServiceConfig{Storages: map[pipeline.ID]pipeline.Storage{
			{Type: "file_storage"}: {}, {Type: "file_storage", Name: "x"}: {Directory: "/x"},
		}},
		Instances: []pipeline.Instance{
			{ID: pipeline.ID{Type: "otlp_http", Name: "a"}, Component: exporter, Config: user{storage: "file_storage"}},
			{ID: pipeline.ID{Type: "remote"}, Component: exporter, Config: user{dir: "/wal"}},
			{ID: pipeline.ID{Type: "otlp_http", Name: "memory"}, Component: exporter, Config: user{}},
		},
	}
	got := Storages(cfg, "/data")
	if len(got) != 3 || got[0].Dir != filepath.Join("/data", "queues") || len(got[0].Queues) != 1 || got[0].Queues[0] != "exporter_otlp_http_a" ||
		got[1].Dir != "/wal" || got[1].Queues[0] != "exporter_remote" || got[2].Dir != "/x" || len(got[2].Queues) != 0 {
		t.Errorf("got %+v", got)
	}
}
