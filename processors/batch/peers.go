package batch

// peers is who came with a key lately, and so who may be expected: each peer that has no request inside. It looks back
// over the last one or two waits; who was expected and did not come within two is not expected any more. Guarded by
// Processor.mu.
type peers struct {
	known   map[string]*peer
	missing int // peers that are known and have nothing inside
	vain    int // waits in a row that brought nobody
	skip    int // for so many requests nobody is waited for because of them
}

// peer is the other side of a connection; sources of our own are one peer.
type peer struct {
	name   string
	inside int  // requests that wait for their answer
	came   bool // since the last wait
	before bool // between the last wait and the one before
}

const (
	maxPeers    = 8192 // beyond that nothing is learned from one more
	maxVainSkip = 64
)

func newPeers() peers { return peers{known: map[string]*peer{}} }

// arrive notes that a request of a peer is inside.
func (s *peers) arrive(name string) *peer {
	x := s.known[name]
	switch {
	case x == nil && len(s.known) < maxPeers:
		x = &peer{name: name}
		s.known[name] = x
	case x == nil:
		x = &peer{name: name} // not known, and expected by nobody
	case x.inside == 0:
		s.missing--
	}
	x.inside++
	x.came = true
	s.skip = max(s.skip-1, 0)
	return x
}

// leave notes that a request of a peer is answered.
func (s *peers) leave(x *peer) {
	x.inside--
	if x.inside == 0 && s.known[x.name] == x {
		s.missing++
	}
}

// awaited says whether somebody is likely to come.
func (s *peers) awaited() bool { return s.missing > 0 && s.skip == 0 }

// waited notes that a wait has passed in full, and whether anybody came. Clients with a new connection for each
// request look like many that never come again: when waiting brings nobody, less and less of it is done.
func (s *peers) waited(came bool) {
	if came {
		s.vain, s.skip = 0, 0
	} else {
		s.vain++
		s.skip = min(1<<min(s.vain, 10), maxVainSkip)
	}
	for name, x := range s.known {
		x.before, x.came = x.came, x.inside > 0
		if !x.came && !x.before {
			delete(s.known, name)
			s.missing--
		}
	}
}

// expectNobody makes everybody go on at once: the processor stops.
func (s *peers) expectNobody() {
	clear(s.known)
	s.missing = 0
}
