package k8sevents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/statefile"
	"github.com/sluiceio/sluice/kube/election"
)

// saveEvery is how often the file is written. After a kill, what was delivered since comes again.
const saveEvery = 2 * time.Second

// positions are the versions up to which events were delivered, by namespace: in a file, or in the Lease of the leader, where the
// next one finds them.
type positions struct {
	elector *election.Elector

	log   *slog.Logger
	path  string
	owner io.Closer
	mu    sync.Mutex
	known map[string]string
	dirty bool
}

func (p *positions) open(dir string, log *slog.Logger) error {
	p.known, p.log = map[string]string{}, log
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	p.path = filepath.Join(dir, "positions.json")
	var err error
	if p.owner, err = statefile.Own(p.path); errors.Is(err, statefile.ErrTaken) {
		return err
	}
	b, err := os.ReadFile(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, &p.known)
	}
	if err == nil && p.known == nil {
		err = errors.New("it holds null")
	}
	if err != nil {
		p.known = map[string]string{}
		log.Error("the file of positions is damaged and was moved aside; events from now on are read", "file", p.path, "error", errors.Join(err, os.Rename(p.path, p.path+".damaged")))
	}
	return nil
}

// note is the key of an annotation: names of namespaces and components do not fit in one.
func note(component, namespace string) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", component, namespace)
	return fmt.Sprintf("sluice.io/events-%016x", h.Sum64())
}

func (p *positions) get(component, namespace string) string {
	if p.elector != nil {
		return p.elector.Note(note(component, namespace))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[namespace]
}

func (p *positions) set(component, namespace, version string) {
	if p.elector != nil {
		p.elector.SetNote(note(component, namespace), version)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[namespace], p.dirty = version, true
}

// keep saves the file from time to time.
func (p *positions) keep(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.save()
		}
	}
}

func (p *positions) save() {
	p.mu.Lock()
	dirty := p.dirty && p.path != ""
	b, err := json.Marshal(p.known)
	p.dirty = false
	p.mu.Unlock()
	if !dirty || err != nil {
		return
	}
	if err := statefile.Replace(p.path, b); err != nil {
		p.log.Error("cannot save the position in the events; after a restart some come again", "file", p.path, "error", err)
		p.mu.Lock()
		p.dirty = true
		p.mu.Unlock()
	}
}

func (p *positions) close() {
	p.save()
	if p.owner != nil {
		_ = p.owner.Close()
	}
}
