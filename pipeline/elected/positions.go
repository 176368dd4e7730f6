package elected

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
	"github.com/sluiceio/sluice/pipeline"
)

// saveEvery is how often the file is written. After a kill, what was delivered since comes again.
const saveEvery = 2 * time.Second

// Positions are how far a receiver has delivered, by a key of its own, such as the versions of a watch by namespace: in a file of the data
// directory, or in the Lease of the leader, where the next one finds them.
type Positions struct {
	elector *election.Elector
	prefix  string // of annotations
	id      string // of the component

	log   *slog.Logger
	path  string
	owner io.Closer
	mu    sync.Mutex
	known map[string]string
	dirty bool
}

// Open reads the file, or uses the Lease of e. prefix names the positions in the Lease: "sluice.io/events-".
func (p *Positions) Open(s pipeline.Settings, e *election.Elector, prefix string) error {
	p.elector, p.prefix, p.id, p.known, p.log = e, prefix, s.ID.String(), map[string]string{}, s.Log
	if e != nil || s.DataDir == "" {
		return nil
	}
	if err := os.MkdirAll(s.DataDir, 0o700); err != nil {
		return err
	}
	p.path = filepath.Join(s.DataDir, "positions.json")
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
		p.log.Error("the file of positions is damaged and was moved aside; what comes from now on is read", "file", p.path, "error", errors.Join(err, os.Rename(p.path, p.path+".damaged")))
	}
	return nil
}

// note is the key of an annotation: names of namespaces and components do not fit in one.
func (p *Positions) note(key string) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", p.id, key)
	return fmt.Sprintf("%s%016x", p.prefix, h.Sum64())
}

// Get returns a position, or nothing.
func (p *Positions) Get(key string) string {
	if p.elector != nil {
		return p.elector.Note(p.note(key))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[key]
}

// Set notes a position. It is written within 2 s, or with the next renewal of the Lease.
func (p *Positions) Set(key, position string) {
	if p.elector != nil {
		p.elector.SetNote(p.note(key), position)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[key] != position {
		p.known[key], p.dirty = position, true
	}
}

// Keep saves the file from time to time, until ctx ends.
func (p *Positions) Keep(ctx context.Context) {
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

func (p *Positions) save() {
	p.mu.Lock()
	dirty := p.dirty && p.path != ""
	b, err := json.Marshal(p.known)
	p.dirty = false
	p.mu.Unlock()
	if !dirty || err != nil {
		return
	}
	if err := statefile.Replace(p.path, b); err != nil {
		p.log.Error("cannot save how far was read; after a restart some comes again", "file", p.path, "error", err)
		p.mu.Lock()
		p.dirty = true
		p.mu.Unlock()
	}
}

// Close saves the file. Keep must have returned.
func (p *Positions) Close() {
	p.save()
	if p.owner != nil {
		_ = p.owner.Close()
	}
}
