package reader

import (
	"container/list"
	"os"
	"sync"

	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

// parked are idle files kept open without a goroutine: data written just before a deletion or compression can still be read.
// The longest idle one is closed when its slot is needed.
type parked struct {
	mu    sync.Mutex
	files list.List // of *File; longest idle first
}

const evictTries = 16

func (p *parked) park(f *File, h *os.File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.handle = h
	f.place = p.files.PushBack(f)
}

// take unparks the file; nil if it is not parked.
func (p *parked) take(f *File) *os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.remove(f)
}

func (p *parked) remove(f *File) *os.File {
	h := f.handle
	if h != nil {
		p.files.Remove(f.place)
		f.handle, f.place = nil, nil
	}
	return h
}

// evict closes one file, but no deleted one: it cannot be reopened.
func (p *parked) evict() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.files.Front()
	for range evictTries {
		if e == nil {
			return false
		}
		f := e.Value.(*File)
		if s, err := fileid.StatFile(f.handle); err != nil || s.Links > 0 {
			p.remove(f).Close()
			return true
		}
		e = e.Next()
	}
	return false
}

func (p *parked) stat(f *File) (s fileid.Stat, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.handle == nil {
		return s, false
	}
	s, err := fileid.StatFile(f.handle)
	return s, err == nil
}

// all unparks every file.
func (p *parked) all(each func(f *File, h *os.File)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for e := p.files.Front(); e != nil; e = p.files.Front() {
		f := e.Value.(*File)
		each(f, p.remove(f))
	}
}

// Rescue starts reading a file that lost its name, if it is still open and has unread data. Otherwise it returns false and
// closes it.
func (r *Reader) Rescue(f *File) bool {
	s, open := r.parked.stat(f)
	f.watched = open
	if open && (s.Links == 0 || f.Look(s)) && r.Start(f, nil) {
		return true
	}
	if h := r.parked.take(f); h != nil {
		h.Close()
		r.open.Add(-1)
	}
	return false
}
