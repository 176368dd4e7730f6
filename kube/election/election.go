// Package election lets one process of several do what must be done once: the one that holds a Lease, as client-go's leader
// election does. What the leader has done can be noted in the Lease, for the next one.
package election

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/kube"
)

// Settings name the Lease. The zero durations are client-go's: 15 s, 10 s, 2 s.
type Settings struct {
	kube.Access
	Namespace, Name string
	LeaseDuration   time.Duration // for so long nobody else may lead after the last renewal
	RenewDeadline   time.Duration // a leader that could not renew for so long stops to be one
	RetryPeriod     time.Duration // between renewals, and between attempts to become the leader
}

// withDefaults fills in durations.
func (s Settings) withDefaults() Settings {
	s.LeaseDuration = cmp.Or(s.LeaseDuration, 15*time.Second)
	s.RenewDeadline = cmp.Or(s.RenewDeadline, 10*time.Second)
	s.RetryPeriod = cmp.Or(s.RetryPeriod, 2*time.Second)
	return s
}

// Elector takes part in an election until Leave. All that join with the same settings share it.
type Elector struct {
	settings Settings
	identity string
	feature  kube.Feature
	user     *kube.User
	client   *kube.Client
	members  int
	cancel   context.CancelFunc
	ended    chan struct{}
	line     throttle.Line

	mu      sync.Mutex
	leads   bool
	changed chan struct{}
	notes   map[string]string // annotations of the Lease
	dirty   bool              // a note is not written yet

	// of the loop alone
	seen    coordinationv1.LeaseSpec // as it was at seenAt
	seenAt  time.Time
	renewed time.Time // when the last renewal that succeeded began
}

var (
	electorsMu sync.Mutex
	electors   = map[Settings]*Elector{}
)

// Join takes part in the election. identity must be unique among those who take part, such as the pod's name.
func Join(ctx context.Context, s Settings, f kube.Feature, identity string) (*Elector, error) {
	s = s.withDefaults()
	electorsMu.Lock()
	defer electorsMu.Unlock()
	if e := electors[s]; e != nil {
		e.members++
		return e, nil
	}
	f.Metrics = nil
	e := &Elector{settings: s, identity: identity, feature: f, members: 1, changed: make(chan struct{}), notes: map[string]string{}, ended: make(chan struct{})}
	var err error
	if e.user, err = kube.Use(s.Access, f); err != nil {
		return nil, err
	}
	if err := e.user.Start(ctx); err != nil {
		return nil, err
	}
	if e.client, err = e.user.Client(kube.Leases); err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	electors[s] = e
	go e.run(life)
	return e, nil
}

// Leave ends a part in the election; the last one's gives the Lease back, with the notes, so that another process leads at once. What
// the leader does must have ended before.
func (e *Elector) Leave() {
	electorsMu.Lock()
	defer electorsMu.Unlock()
	if e.members--; e.members > 0 {
		return
	}
	delete(electors, e.settings)
	e.cancel()
	<-e.ended
	e.user.Close()
}

// Leads reports whether this process leads, and returns a channel that is closed when that changes.
func (e *Elector) Leads() (bool, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.leads, e.changed
}

// Note is what the last leader noted under a key of annotations.
func (e *Elector) Note(key string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.notes[key]
}

// SetNote notes something in the Lease: with the next renewal, or when the Lease is given back. It has no effect unless this process leads.
func (e *Elector) SetNote(key, value string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.leads && e.notes[key] != value {
		e.notes[key], e.dirty = value, true
	}
}

func (e *Elector) run(ctx context.Context) {
	defer close(e.ended)
	for {
		e.round(ctx)
		pause := e.settings.RetryPeriod
		if leads, _ := e.Leads(); leads { // it steps down in time, even where no attempt ends
			pause = min(pause, time.Until(e.deadline()))
		} else { // those who wait do not all come at once
			pause += time.Duration(rand.Int64N(int64(pause)/4 + 1))
		}
		select {
		case <-ctx.Done():
			e.release()
			return
		case <-time.After(pause):
		}
	}
}

// deadline is when a leader stops to be one unless it renews: others count from when the Lease was written, which was not before the
// attempt began.
func (e *Elector) deadline() time.Time { return e.renewed.Add(e.settings.RenewDeadline) }

// round renews, or tries to become the leader.
func (e *Elector) round(ctx context.Context) {
	was, _ := e.Leads()
	begin := time.Now()
	last := begin.Add(e.settings.RenewDeadline / 2)
	if was && e.deadline().Before(last) {
		last = e.deadline()
	}
	attempt, cancel := context.WithDeadline(ctx, last)
	leads, err := e.try(attempt)
	cancel()
	switch {
	case err == nil && leads:
		e.renewed = begin
	case err != nil && was && time.Now().Before(e.deadline()):
		leads = true // the Lease is still ours for everybody
	default:
		leads = false
	}
	if err != nil && ctx.Err() == nil {
		e.tell(err)
	}
	if leads != was {
		e.become(leads)
	}
}

func (e *Elector) tell(err error) {
	suppressed, due := e.line.Now()
	if !due {
		return
	}
	message := "cannot renew or take the lease; trying again"
	if apierrors.IsForbidden(err) {
		message = "the service account has no right for leader election: its role needs the verbs get, create and update on leases in the lease's namespace"
	}
	e.feature.Log.Warn(message, "feature", e.feature.Name, "lease", e.settings.Namespace+"/"+e.settings.Name, "error", err, "suppressed", suppressed)
}

func (e *Elector) become(leader bool) {
	e.mu.Lock()
	e.leads = leader
	close(e.changed)
	e.changed = make(chan struct{})
	e.mu.Unlock()
	say := "this process does not lead any more"
	if leader {
		say = "this process leads now"
	}
	e.feature.Log.LogAttrs(context.Background(), slog.LevelInfo, say, slog.String("lease", e.settings.Namespace+"/"+e.settings.Name))
}

// try reads the Lease and writes it if it is ours or free. It returns whether we hold it.
func (e *Elector) try(ctx context.Context) (bool, error) {
	lease := &coordinationv1.Lease{}
	err := e.client.Get(ctx, e.settings.Namespace, e.settings.Name, lease)
	now := time.Now()
	if apierrors.IsNotFound(err) {
		lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: e.settings.Namespace, Name: e.settings.Name}}
		e.hold(lease, now)
		if err := e.client.Create(ctx, e.settings.Namespace, lease); err != nil {
			return false, taken(err)
		}
		return true, nil
	}
	if err != nil {
		return false, err
	}
	holder, leads := deref(lease.Spec.HolderIdentity), false
	if leads, _ = e.Leads(); holder != e.identity { // else nobody led since, and we know better than the Lease
		e.learn(lease)
	}
	if holder != e.identity && !e.free(lease, now) {
		return false, nil
	}
	e.hold(lease, now)
	err = e.client.Update(ctx, e.settings.Namespace, e.settings.Name, lease)
	if err != nil && leads && holder == e.identity {
		return false, err // a conflict too: somebody wrote into it, and who holds it is seen with the next attempt
	}
	if err != nil {
		return false, taken(err)
	}
	return true, nil
}

// taken is nil where another process was quicker.
func taken(err error) error {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// learn takes over what the holder noted.
func (e *Elector) learn(lease *coordinationv1.Lease) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notes, e.dirty = maps.Clone(lease.Annotations), false
	if e.notes == nil {
		e.notes = map[string]string{}
	}
}

// free reports whether nobody holds the Lease: its holder gave it back, or did not renew it for its duration, by our own clock.
func (e *Elector) free(lease *coordinationv1.Lease, now time.Time) bool {
	s := lease.Spec
	if deref(s.HolderIdentity) == "" {
		return true
	}
	if deref(s.HolderIdentity) != deref(e.seen.HolderIdentity) || e.seen.RenewTime == nil || s.RenewTime == nil || !s.RenewTime.Equal(e.seen.RenewTime) {
		e.seen, e.seenAt = s, now
	}
	duration := e.settings.LeaseDuration
	if s.LeaseDurationSeconds != nil {
		duration = time.Duration(*s.LeaseDurationSeconds) * time.Second
	}
	return now.Sub(e.seenAt) > duration
}

// hold writes us and the notes into the Lease.
func (e *Elector) hold(lease *coordinationv1.Lease, now time.Time) {
	s := &lease.Spec
	if deref(s.HolderIdentity) != e.identity {
		s.AcquireTime = &metav1.MicroTime{Time: now}
		n := int32(1)
		if s.LeaseTransitions != nil {
			n = *s.LeaseTransitions + 1
		}
		s.LeaseTransitions = &n
	}
	seconds := int32((e.settings.LeaseDuration + time.Second - 1) / time.Second) // not less: others would lead too early
	s.HolderIdentity, s.LeaseDurationSeconds, s.RenewTime = &e.identity, &seconds, &metav1.MicroTime{Time: now}
	e.annotate(lease)
}

func (e *Elector) annotate(lease *coordinationv1.Lease) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.leads && len(e.notes) > 0 {
		if lease.Annotations == nil {
			lease.Annotations = map[string]string{}
		}
		maps.Copy(lease.Annotations, e.notes)
		e.dirty = false
	}
}

// release gives the Lease back.
func (e *Elector) release() {
	if leads, _ := e.Leads(); !leads {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := e.giveBack(ctx)
	if apierrors.IsConflict(err) { // with our own last renewal, or somebody's label
		err = e.giveBack(ctx)
	}
	e.become(false)
	if err != nil {
		e.feature.Log.Warn("the lease could not be given back; another process leads after its end", "error", fmt.Errorf("lease: %w", err))
	}
}

func (e *Elector) giveBack(ctx context.Context) error {
	lease := &coordinationv1.Lease{}
	if err := e.client.Get(ctx, e.settings.Namespace, e.settings.Name, lease); err != nil {
		return err
	}
	if deref(lease.Spec.HolderIdentity) != e.identity {
		return errors.New("another process holds it")
	}
	nobody, second := "", int32(1)
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = &nobody, &second
	e.annotate(lease)
	return e.client.Update(ctx, e.settings.Namespace, e.settings.Name, lease)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
