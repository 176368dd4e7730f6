package reader

import (
	"container/list"
	"os"
	"sync"

	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

// parked are files at rest that stay open without a goroutine: what is written to one and deleted at once, or compressed,
// is still there for who has it open. When a place is wanted, the one that rests longest is closed.
type parked struct {
	mu    sync.Mutex
	files list.List // of *File; the one that rests longest first
}

// evictTries is how many parked files are looked at to find one that may be closed.
const evictTries = 16

// park keeps a file open.
func (p *parked) park(f *File, h *os.File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.handle = h
	f.place = p.files.PushBack(f)
}

// take gives the open file back; nil: it is not parked.
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

// evict closes one file, to make a place for another. One that is deleted stays: nobody could open it again.
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

// stat looks at a parked file.
func (p *parked) stat(f *File) (s fileid.Stat, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.handle == nil {
		return s, false
	}
	s, err := fileid.StatFile(f.handle)
	return s, err == nil
}

// all takes every file.
func (p *parked) all(each func(f *File, h *os.File)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for e := p.files.Front(); e != nil; e = p.files.Front() {
		f := e.Value.(*File)
		each(f, p.remove(f))
	}
}

// Rescue has a file read that its name does not lead to any more, if it is still open and has something to say. It answers
// false, and the file is not open any more, when it has not.
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
