package engine

import (
	"path/filepath"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// tracked is a Registerer that can unregister everything it registered.
type tracked struct {
	to   prometheus.Registerer
	mu   sync.Mutex
	have []prometheus.Collector
}

func (t *tracked) Register(c prometheus.Collector) error {
	if err := t.to.Register(c); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.have = append(t.have, c)
	return nil
}

func (t *tracked) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := t.Register(c); err != nil {
			panic("BUG: " + err.Error())
		}
	}
}

func (t *tracked) Unregister(c prometheus.Collector) bool { return t.to.Unregister(c) }

func (t *tracked) unregisterAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.have {
		t.to.Unregister(c)
	}
	t.have = nil
}

// componentDir is a component's state folder: "exporter-store-a" for "exporter/store/a".
func componentDir(root, name string) string {
	if root == "" {
		return ""
	}
	return filepath.Join(root, strings.Map(func(r rune) rune {
		if r == '/' || r == filepath.Separator || r == '.' {
			return '-'
		}
		return r
	}, name))
}
