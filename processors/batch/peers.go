package batch

// peers is who came to a lane lately, and so who may be expected: a peer that had two requests inside at once is
// expected with two. It looks back over the last one or two waits; what was expected and did not come within a wait is
// not expected any more. Guarded by Processor.mu.
type peers struct {
	known   map[string]*peer
	missing int // requests that are expected and not inside
	vain    int // waits in a row that brought nobody
	skip    int // so many times nobody is waited for because of them
}

// peer is the other side of a connection; sources of our own are one peer.
type peer struct {
	name   string
	inside int // requests that wait for their answer
	most   int // inside at once since the last wait
	before int // the same for the wait before it
}

const (
	maxPeers    = 8192 // beyond that nothing is learned from one more
	maxVainSkip = 64
)

func newPeers() peers { return peers{known: map[string]*peer{}} }

// expected is with how many requests at once the peer is expected.
func (x *peer) expected() int { return max(x.most, x.before) }

func (x *peer) missing() int { return max(x.expected()-x.inside, 0) }

// arrive notes that a request of a peer is inside.
func (s *peers) arrive(name string) *peer {
	x := s.known[name]
	if x == nil {
		x = &peer{name: name}
		if len(s.known) >= maxPeers {
			return x // not known: expected by nobody
		}
		s.known[name] = x
	}
	s.missing -= x.missing()
	x.inside++
	x.most = max(x.most, x.inside)
	s.missing += x.missing()
	return x
}

// leave notes that a request of a peer is answered.
func (s *peers) leave(x *peer) {
	if s.known[x.name] != x {
		x.inside--
		return
	}
	s.missing -= x.missing()
	x.inside--
	s.missing += x.missing()
}

// awaited says whether somebody is likely to come.
func (s *peers) awaited() bool {
	if s.missing == 0 {
		return false
	}
	if s.skip > 0 {
		s.skip--
		return false
	}
	return true
}

// waited notes that a wait has passed in full, and whether anybody came. Clients with a new connection for each
// request look like many that never come again: when waiting brings nobody, less and less of it is done.
func (s *peers) waited(came bool) {
	if came {
		s.vain, s.skip = 0, 0
	} else {
		s.vain++
		s.skip = min(1<<min(s.vain, 10), maxVainSkip)
	}
	s.missing = 0
	for name, x := range s.known {
		x.before, x.most = x.most, x.inside
		if x.expected() == 0 {
			delete(s.known, name)
			continue
		}
		s.missing += x.missing()
	}
}

// forgettable says whether nothing would be lost by forgetting all of it.
func (s *peers) forgettable() bool { return len(s.known) <= 1 }

// expectNobody makes everybody go on at once: the processor stops.
func (s *peers) expectNobody() {
	clear(s.known)
	s.missing = 0
}
