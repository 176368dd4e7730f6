package batch

// peers predicts who comes next for a key: each recent peer without a request inside. Peers that did not come
// within two waits are forgotten. Guarded by Processor.mu.
type peers struct {
	known   map[string]*peer
	missing int // peers that are known and have nothing inside
	vain    int // waits in a row that brought nobody
	skip    int // for so many requests nobody is waited for because of them
}

// peer is the other end of a connection; all our own sources are one peer.
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

func (s *peers) leave(x *peer) {
	x.inside--
	if x.inside == 0 && s.known[x.name] == x {
		s.missing++
	}
}

func (s *peers) awaited() bool { return s.missing > 0 && s.skip == 0 }

// waited notes a full wait, and whether anybody came. Clients with a new connection per request look like many that
// never return: when waiting is in vain, it is done less and less.
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

// expectNobody makes waiting callers go on; for Stop.
func (s *peers) expectNobody() {
	clear(s.known)
	s.missing = 0
}
