package ledger

import (
	"slices"
	"sync"

	"github.com/sluiceio/sluice/pipeline"
)

// Account is the account of a component and signal. Only it counts in, out, refused and dropped.
type Account struct {
	key  Key
	kind pipeline.Kind

	mu sync.Mutex
	balance
	feeders  []*Link
	branches []*Account // of a connector: one for each pipeline it gives to
}

// Branch adds a pipeline that a connector gives to.
func (d *Account) Branch(to *Account) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.branches, to) {
		d.branches = append(d.branches, to)
	}
}

// went is how many items the branches answered for, and whether they take the same items as d.
func (d *Account) went() (items int64, same bool) {
	d.mu.Lock()
	branches := slices.Clone(d.branches)
	d.mu.Unlock()
	for _, to := range branches {
		if to.key.Signal != d.key.Signal {
			return 0, false // it makes other items
		}
		s := to.snapshot()
		items += s.out.Items + s.droppedTotal().Items
	}
	return items, len(branches) > 0
}

func (d *Account) snapshot() balance {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.balance
}

func (d *Account) enter(items, bytes int) {
	d.mu.Lock()
	d.in.Add(items, bytes)
	d.inside.Add(items, bytes)
	d.mu.Unlock()
}

// leave books the answer for a batch that entered with these amounts.
func (d *Account) leave(items, bytes int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside.Add(-items, -bytes)
	if err == nil {
		d.taken(items, bytes)
		return
	}
	a := pipeline.Read(err, items)
	left, leftBytes := items, bytes
	if a.Refusal != nil {
		n := a.Refused.Len()
		size := bytes
		if items > 0 {
			size = share(bytes, n, items)
		}
		d.refused.Add(n, size)
		left, leftBytes = left-n, leftBytes-size
	}
	for i := range a.Rejected {
		n := min(a.Rejected[i].Len(), left)
		size := share(bytes, n, items)
		d.dropped[reasonIndex(a.Rejected[i].Reason)].Add(n, size)
		left, leftBytes = left-n, leftBytes-size
	}
	d.taken(left, leftBytes)
}

// taken books a nil answer, less what was dropped inside meanwhile. It does not matter which call dropped it: the
// sums close at any time and no counter falls.
func (d *Account) taken(items, bytes int) {
	k := pipeline.Amount{Items: min(d.pending.Items, int64(items)), Bytes: min(d.pending.Bytes, int64(bytes))}
	d.pending.Sub(k)
	d.out.Items += int64(items) - k.Items
	d.out.Bytes += int64(bytes) - k.Bytes
}

// DeliveredAfterRefusal books items that will be delivered twice.
func (d *Account) DeliveredAfterRefusal(items int) {
	d.mu.Lock()
	d.repeated += int64(items)
	d.mu.Unlock()
}

func (d *Account) confirm(items, bytes int) {
	d.mu.Lock()
	d.delivered.Add(items, bytes)
	d.mu.Unlock()
}

func (d *Account) drop(why pipeline.Reason, items, bytes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropped[reasonIndex(why)].Add(items, bytes)
	if d.kind == pipeline.KindReceiver {
		d.in.Add(items, bytes) // seen by the source, never handed on
		return
	}
	d.pending.Add(items, bytes)
}

// evict drops what entered and will never leave, such as a backlog's oldest batch.
func (d *Account) evict(why pipeline.Reason, items, bytes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside.Add(-items, -bytes)
	d.dropped[reasonIndex(why)].Add(items, bytes)
}

// balance is the state of an account; a copy is a consistent snapshot.
type balance struct {
	in, out, refused pipeline.Amount
	inside           pipeline.Amount // entered and not left
	pending          pipeline.Amount // dropped by calls that are still inside
	delivered        pipeline.Amount // confirmed by a destination; exporters only
	repeated         int64           // delivered, although the caller was told to send again
	dropped          [len(pipeline.Reasons)]pipeline.Amount

	stored, atStart pipeline.Amount                        // of a queue
	lost            [len(pipeline.Reasons)]pipeline.Amount // dropped out of it: they had been answered nil
}

func (a *balance) held() pipeline.Amount {
	h := a.inside
	h.Sub(a.pending)
	return h
}

func (a *balance) droppedTotal() pipeline.Amount {
	var t pipeline.Amount
	for _, d := range a.dropped {
		t.Items += d.Items
		t.Bytes += d.Bytes
	}
	return t
}

// unbalanced is the gap in the account's equation; other than 0 is a bug.
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

func reasonIndex(why pipeline.Reason) int {
	for i, r := range pipeline.Reasons {
		if r == why {
			return i
		}
	}
	return reasonRejected
}

// reasonRejected is where unknown reasons are booked.
var reasonRejected = func() int {
	for i, r := range pipeline.Reasons {
		if r == pipeline.DropRejected {
			return i
		}
	}
	panic("BUG: the list of reasons lacks " + string(pipeline.DropRejected))
}()

func share(total, n, all int) int {
	if all == 0 {
		return 0
	}
	return int(int64(total) * int64(n) / int64(all))
}

func (d *Account) store(items, bytes int) {
	d.mu.Lock()
	d.stored.Add(items, bytes)
	d.mu.Unlock()
}

func (d *Account) restore(held pipeline.Amount) {
	d.mu.Lock()
	d.atStart.Add(int(held.Items), int(held.Bytes))
	d.atStart.Sub(d.stored)
	d.stored = held
	d.mu.Unlock()
}

func (d *Account) lose(why pipeline.Reason, items, bytes int) {
	d.mu.Lock()
	d.lost[reasonIndex(why)].Add(items, bytes)
	d.mu.Unlock()
}

// unqueued is the items that a queue answered nil for and that are nowhere.
func (a *balance) unqueued() int64 {
	gap := a.atStart.Items + a.out.Items - a.delivered.Items - a.stored.Items
	for _, l := range a.lost {
		gap -= l.Items
	}
	return max(gap, 0)
}

// Name is the account's key as a text.
func (d *Account) Name() string {
	return d.key.Component + " " + d.key.Pipeline + " " + d.key.Signal.String()
}
