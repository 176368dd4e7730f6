package pipeline

import (
	"slices"
	"sync"
)

// Ledger is the accounting of a process: one account for each component and signal, where every batch is entered
// when the component is called and left when it answers. At any instant, for each account, in items and in bytes:
//
//	in = out + refused + dropped(reason) + held
//
// It outlives the graph, so that a reload resets no counter.
type Ledger struct {
	mu       sync.Mutex
	accounts map[accountKey]*account
	order    []*account // as made, for stable output
}

// NewLedger makes an empty one.
func NewLedger() *Ledger { return &Ledger{accounts: map[accountKey]*account{}} }

type accountKey struct {
	component string // "exporter/otlp_http"
	pipeline  string // "logs": of a processor, or that a connector gives to; else empty
	signal    Signal
}

func (a *Amount) add(items, bytes int) {
	a.Items += int64(items)
	a.Bytes += int64(bytes)
}

func (a *Amount) sub(b Amount) {
	a.Items -= b.Items
	a.Bytes -= b.Bytes
}

// Amount is telemetry counted in items (data points, log records, spans) and in bytes of OTLP protobuf.
type Amount struct{ Items, Bytes int64 }

// balance is the state of one account. It is a value: a copy taken under the lock is a consistent snapshot.
type balance struct {
	in, out, refused Amount
	inside           Amount // entered and not left
	pending          Amount // dropped by calls that are still inside
	delivered        Amount // confirmed by a destination; exporters only
	repeated         int64  // delivered, although the caller was told to send again
	dropped          [len(Reasons)]Amount
}

// held is what is inside and not yet dropped.
func (a *balance) held() Amount {
	h := a.inside
	h.sub(a.pending)
	return h
}

func (a *balance) droppedTotal() Amount {
	var t Amount
	for _, d := range a.dropped {
		t.Items += d.Items
		t.Bytes += d.Bytes
	}
	return t
}

// unbalanced is by how many items the account's equation does not close; 0 unless the code is wrong.
func (a *balance) unbalanced() int64 {
	h := a.held()
	gap := a.in.Items - a.out.Items - a.refused.Items - a.droppedTotal().Items - h.Items
	if gap < 0 {
		gap = -gap
	}
	if h.Items < 0 {
		gap -= h.Items
	}
	return gap
}

// account is where one component is entered with one signal. It is the only place that counts in, out, refused and
// dropped.
type account struct {
	key  accountKey
	kind Kind

	mu sync.Mutex
	balance
	feeders  []*link
	branches []*account // of a connector: one for each pipeline it gives to
}

// branch notes that what a connector takes here goes on there, or at another of its branches.
func (d *account) branch(to *account) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.branches, to) {
		d.branches = append(d.branches, to)
	}
}

// went is how many items the branches answered for, and whether there are branches that take the same items.
func (d *account) went() (items int64, same bool) {
	d.mu.Lock()
	branches := slices.Clone(d.branches)
	d.mu.Unlock()
	for _, to := range branches {
		if to.key.signal != d.key.signal {
			return 0, false // it makes other items
		}
		s := to.snapshot()
		items += s.out.Items + s.droppedTotal().Items
	}
	return items, len(branches) > 0
}

// link says that what is answered nil at one account was given to another one: every item, for as long as a graph
// has them joined. Graphs come and go on reload while the counters go on, so a link remembers where it began.
type link struct {
	from *account
	mu   sync.Mutex
	base int64 // from.out when the link was made
	past int64 // what earlier graphs passed over it
	live bool
}

// promised is how many items the feeding account answered nil for.
func (k *link) promised() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.live {
		return k.past
	}
	return k.past + k.from.snapshot().out.Items - k.base
}

// join makes or revives the link between two accounts. The graph calls it while nothing flows.
func (d *account) join(from *account) *link {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.feeders {
		if k.from == from {
			k.revive()
			return k
		}
	}
	k := &link{from: from}
	k.revive()
	d.feeders = append(d.feeders, k)
	return k
}

func (k *link) revive() {
	out := k.from.snapshot().out.Items
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.live {
		k.live, k.base = true, out
	}
}

// cut ends the link; what passed stays on the books.
func (k *link) cut() {
	past := k.promised()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.past, k.live = past, false
}

func (d *account) links() []*link {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*link(nil), d.feeders...)
}

func (d *account) snapshot() balance {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.balance
}

func (d *account) enter(items, bytes int) {
	d.mu.Lock()
	d.in.add(items, bytes)
	d.inside.add(items, bytes)
	d.mu.Unlock()
}

// leave books the answer for a batch that entered with the same amounts.
func (d *account) leave(items, bytes int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside.add(-items, -bytes)
	if err == nil {
		d.taken(items, bytes)
		return
	}
	a := Read(err, items)
	left, leftBytes := items, bytes
	if a.Refusal != nil {
		n := a.Refused.Len()
		size := bytes
		if items > 0 {
			size = share(bytes, n, items)
		}
		d.refused.add(n, size)
		left, leftBytes = left-n, leftBytes-size
	}
	for i := range a.Rejected {
		n := min(a.Rejected[i].Len(), left)
		size := share(bytes, n, items)
		d.dropped[reasonIndex(a.Rejected[i].Reason)].add(n, size)
		left, leftBytes = left-n, leftBytes-size
	}
	d.taken(left, leftBytes)
}

// taken books a nil answer, less what calls inside have dropped meanwhile. Which call dropped is not known and
// need not be: the sums close all the time and no counter ever goes down.
func (d *account) taken(items, bytes int) {
	k := Amount{min(d.pending.Items, int64(items)), min(d.pending.Bytes, int64(bytes))}
	d.pending.sub(k)
	d.out.Items += int64(items) - k.Items
	d.out.Bytes += int64(bytes) - k.Bytes
}

// again books items that will be delivered twice.
func (d *account) again(items int) {
	d.mu.Lock()
	d.repeated += int64(items)
	d.mu.Unlock()
}

func (d *account) drop(why Reason, items, bytes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropped[reasonIndex(why)].add(items, bytes)
	if d.kind == KindReceiver {
		d.in.add(items, bytes) // seen by the source, never handed on
		return
	}
	d.pending.add(items, bytes)
}

// evict drops what entered this account and will never leave it: a hand-over's oldest batch.
func (d *account) evict(why Reason, items, bytes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside.add(-items, -bytes)
	d.dropped[reasonIndex(why)].add(items, bytes)
}

// account returns the account of a key, making it once.
func (l *Ledger) account(kind Kind, key accountKey) *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d, ok := l.accounts[key]; ok {
		return d
	}
	d := &account{key: key, kind: kind}
	l.accounts[key] = d
	l.order = append(l.order, d)
	return d
}

func (l *Ledger) all() []*account {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*account(nil), l.order...)
}

// accountSet is the accounts of one component, by signal, as its Settings see them.
type accountSet struct {
	accounts [len(Signals) + 1]*account
}

func (s *accountSet) of(sig Signal) *account {
	if s == nil || int(sig) >= len(s.accounts) {
		return nil
	}
	return s.accounts[sig]
}

func (s *accountSet) drop(why Reason, sig Signal, items, bytes int) {
	if d := s.of(sig); d != nil {
		d.drop(why, items, bytes)
	}
}

func (s *accountSet) delivered(sig Signal, items, bytes int) {
	if d := s.of(sig); d != nil {
		d.mu.Lock()
		d.delivered.add(items, bytes)
		d.mu.Unlock()
	}
}

func reasonIndex(why Reason) int {
	for i, r := range Reasons {
		if r == why {
			return i
		}
	}
	return reasonRejected
}

// reasonRejected is where a reason outside the closed list is booked.
var reasonRejected = func() int {
	for i, r := range Reasons {
		if r == DropRejected {
			return i
		}
	}
	panic("BUG: the list of reasons lacks " + string(DropRejected))
}()

// share is the part of total that n of all items have.
func share(total, n, all int) int {
	if all == 0 {
		return 0
	}
	return int(int64(total) * int64(n) / int64(all))
}
