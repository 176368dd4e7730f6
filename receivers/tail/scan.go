package tail

import (
	"fmt"
	"os"
	"time"
)

// scanner is the goroutine that knows which files there are, and the only one that changes Receiver.files, which it
// therefore reads without the lock: it lists the folders, decides what a file is (new,
// renamed, replaced, deleted), looks at those that nobody reads, and starts readers.
type scanner struct {
	r      *Receiver
	lister lister
	byPath map[string]*file // what each listed path led to last
	round  int
	first  bool // the first listing of all: start_at applies

	searches []search           // to be made at the end of the listing at hand
	besides  map[string]*beside // folders as they were searched since the last listing

	nextList time.Time
	listed   time.Time     // when the last listing began
	cost     time.Duration // of the last listing
}

const (
	// listShare bounds what listing may cost: one part in listShare of one core at most.
	listShare = 50
	// lookRate and restMax bound how many files at rest are looked at in a second, and how long one may wait.
	lookRate = 4000
	restMax  = 5 * time.Second
	// crowdedShare is how much sooner the next look comes while files wait for one of max_open_files: those that are
	// read to their end make place at once.
	crowdedShare = 16
)

func (s *scanner) init(r *Receiver) error {
	s.r = r
	s.byPath = map[string]*file{}
	s.first = true
	for _, list := range []struct {
		from []string
		to   *[]pattern
	}{{r.cfg.Include, &s.lister.include}, {r.cfg.Exclude, &s.lister.exclude}} {
		for _, text := range list.from {
			p, err := parsePattern(text)
			if err != nil {
				return fmt.Errorf("cannot use pattern %q: %w", text, err)
			}
			*list.to = append(*list.to, p)
		}
	}
	s.lister.problem = r.complain
	return nil
}

func (s *scanner) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for now := time.Now(); ; {
		if !now.Before(s.nextList) {
			begin := time.Now()
			s.list(begin)
			end := time.Now()
			// The smaller of two costs: one that a busy machine made long says nothing, and the next rotation may be
			// close.
			cost := end.Sub(begin)
			s.nextList = end.Add(max(s.r.cfg.PollInterval/2, listShare*min(cost, s.cost)))
			s.cost = cost
		}
		s.lookAround(now)
		pause := s.r.cfg.PollInterval
		if s.r.crowded.Load() {
			pause /= crowdedShare
		}
		timer.Reset(pause)
		select {
		case now = <-timer.C:
		case <-s.r.readingCtx.Done():
			return
		}
	}
}

// list finds out what the patterns give now.
func (s *scanner) list(now time.Time) {
	s.round++
	fresh := s.first && !s.r.keep.existed
	for _, found := range s.lister.list(now) {
		key := found.stat.key
		if f := s.byPath[found.path]; f != nil && f.key == key {
			f.round = s.round
			if f.path == found.path {
				f.rotated.Store(false)
			}
			continue
		}
		if s.r.readingCtx.Err() != nil {
			return
		}
		if f := s.r.file(key); f != nil {
			// A file we know under another name: renamed to one that matches, or linked.
			f.round = s.round
			s.move(f, found.path)
			continue
		}
		s.appear(found, fresh)
	}
	if s.first {
		s.first = false
		s.searches = s.searchesAtStart()
	}
	s.seek(s.searches)
	s.searches = s.searches[:0]
	s.listed = now
	for _, f := range s.r.files {
		if s.byPath[f.path] != f || f.round != s.round {
			s.leave(f)
		}
	}
	s.r.troubles.prune(now)
}

// appear deals with a path that leads to a file we do not know.
func (s *scanner) appear(found found, fresh bool) {
	if !s.r.troubles.ripe(found.path) {
		return
	}
	before := s.byPath[found.path]
	if f, h := s.adopt(found.path, found.path, fresh); f != nil {
		f.round = s.round
		s.byPath[found.path] = f
		s.begin(f, h)
	}
	if !s.first {
		s.searches = append(s.searches, s.searchFor(found.path, before))
	}
}

// begin starts a reader of a file, or leaves it to lookAround when too many are open. h is the open file or nil.
func (s *scanner) begin(f *file, h *os.File) (begun bool) {
	if s.r.open.Load() >= int64(s.r.cfg.MaxOpenFiles) || s.r.readingCtx.Err() != nil {
		if h != nil {
			h.Close()
		}
		return false
	}
	s.r.open.Add(1)
	f.reading.Store(true)
	s.r.readers.Add(1)
	go s.r.read(f, h)
	return true
}

// lookAround looks at the files that nobody reads, each when its time has come, and starts readers where something
// changed.
func (s *scanner) lookAround(now time.Time) {
	waiting := false
	for _, f := range s.r.files {
		if f.reading.Load() || now.Before(f.due) {
			continue
		}
		if f.deleted.Load() {
			if calls, _ := f.outstanding(); calls == 0 {
				s.forget(f)
			}
			continue
		}
		st, err := statPath(f.name())
		if err != nil && !os.IsNotExist(err) {
			s.r.complain(f.name(), err)
			s.rest(f, now)
			continue
		}
		if err != nil || !st.key.same(f.key) {
			s.miss(f)
			continue
		}
		f.missed = 0
		f.unread.Store(max(0, st.size-f.next))
		if !f.wants(st) {
			s.rest(f, now)
			continue
		}
		f.pause = 0
		if s.r.troubles.ripe(f.name()) && !s.begin(f, nil) {
			waiting = true
		}
	}
	s.r.crowded.Store(waiting)
	s.r.known.Store(int64(len(s.r.files)))
	s.limitDeleted()
}

// rest makes the time until the next look longer.
func (s *scanner) rest(f *file, now time.Time) {
	f.pause = min(max(f.pause*2, s.r.cfg.PollInterval), s.r.rest())
	f.due = now.Add(f.pause)
}

// rest is how long a file at rest goes without a look: no longer than poll_interval while there are few files, and
// as long as it takes to look at lookRate files a second, which is about a hundredth of a core, when there are many.
func (r *Receiver) rest() time.Duration {
	return max(r.cfg.PollInterval, min(restMax, time.Duration(r.known.Load())*time.Second/lookRate))
}

// limitDeleted makes the readers of deleted files give up, the largest first, while these hold more disk space than
// max_deleted_bytes.
func (s *scanner) limitDeleted() {
	var total int64
	var largest *file
	for _, f := range s.r.files {
		size := f.disk.Load()
		if total += size; size > 0 && (largest == nil || size > largest.disk.Load()) {
			largest = f
		}
	}
	if total > s.r.cfg.MaxDeletedBytes && largest != nil {
		largest.giveUp.Store(true)
		largest.nudge()
	}
}

// leave notes that a file's first name leads elsewhere, or nowhere.
func (s *scanner) leave(f *file) {
	if !f.rotated.Swap(true) {
		f.nudge()
		f.due = time.Time{}
	}
}

// file is the file of a key.
func (r *Receiver) file(key fileKey) *file {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.files[key]
}
