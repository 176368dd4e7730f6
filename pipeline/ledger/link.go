package ledger

import (
	"slices"
	"sync"
)

// Link says that every item answered nil at one account was given to another while a graph joins them. Counters
// outlive graphs, so a link remembers where it began.
type Link struct {
	from *Account
	mu   sync.Mutex
	base int64 // from.out when the link was made
	past int64 // what earlier graphs passed over it
	live bool
}

func (k *Link) promised() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.live {
		return k.past
	}
	return k.past + k.from.snapshot().out.Items - k.base
}

// Join makes or revives the link between two accounts. Call it while nothing flows.
func (d *Account) Join(from *Account) *Link {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.feeders {
		if k.from == from {
			k.revive()
			return k
		}
	}
	k := &Link{from: from}
	k.revive()
	d.feeders = append(d.feeders, k)
	return k
}

func (k *Link) revive() {
	out := k.from.snapshot().out.Items
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.live {
		k.live, k.base = true, out
	}
}

// Cut ends the link; its count stays.
func (k *Link) Cut() {
	past := k.promised()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.past, k.live = past, false
}

func (d *Account) links() []*Link {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.feeders)
}
