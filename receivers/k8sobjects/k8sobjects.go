// Package k8sobjects is the receiver of Kubernetes objects as logs: of any resource that the API server has, all of them at an interval or
// each change. Objects pass as they are; what was delivered is noted by version, or by time, in a file or in the Lease of the leader.
package k8sobjects

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/kube/election"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/elected"
	"github.com/sluiceio/sluice/pipeline/source"
)

// Receiver has a goroutine for each object and namespace while this process leads.
type Receiver struct {
	settings  pipeline.Settings
	cfg       *Config
	next      pipeline.Sink
	user      *kube.User
	raw       *kube.Raw
	submitter *source.Submitter
	positions elected.Positions
	writer    writer
	metrics

	elector *election.Elector // nil: this process always reads
	life    context.Context
	end     context.CancelFunc
	loops   sync.WaitGroup
}

// New makes the receiver; nothing is asked before Start.
func New(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (any, error) {
	r := &Receiver{settings: s, cfg: cfg, next: out.For(pipeline.Logs), writer: newWriter(s.Version)}
	r.register(s.Metrics)
	r.submitter = source.NewSubmitter(s, r.next, r.refused)
	r.life, r.end = context.WithCancel(context.Background())
	var err error
	if r.user, err = kube.Use(cfg.Access, kube.Feature{Name: s.ID.String(), Log: s.Log, Version: s.Version}); err != nil {
		return nil, err
	}
	r.raw = r.user.Raw()
	return r, nil
}

// Start joins the election, or begins to read. It does not wait for the API server.
func (r *Receiver) Start(ctx context.Context) error {
	if r.next == nil {
		return nil
	}
	if err := r.user.Start(ctx); err != nil {
		return err
	}
	var err error
	if r.elector, err = elected.Join(ctx, r.settings, r.cfg.K8sLeaderElector); err != nil {
		return err
	}
	if err := r.positions.Open(r.settings, r.elector, "sluice.io/objects-"); err != nil {
		return errors.Join(err, r.Stop(ctx))
	}
	r.loops.Go(func() { r.positions.Keep(r.life) })
	r.loops.Go(func() { elected.While(r.life, r.elector, r.lead) })
	return nil
}

// Stop ends reading; what was not answered is read again by the next start, or by the next leader.
func (r *Receiver) Stop(context.Context) error {
	r.end()
	r.loops.Wait()
	if r.elector != nil {
		r.elector.Leave()
	}
	r.positions.Close()
	r.user.Close()
	return nil
}

// lead reads everything until ctx ends.
func (r *Receiver) lead(ctx context.Context) {
	r.leader.Set(1)
	defer r.leader.Set(0)
	var all sync.WaitGroup
	for _, o := range r.cfg.Objects {
		namespaces := o.Namespaces
		if len(namespaces) == 0 {
			namespaces = []string{""}
		}
		for _, n := range namespaces {
			l := &loop{Receiver: r, object: o, namespace: n, key: o.key(n)}
			all.Go(func() { l.run(ctx) })
		}
	}
	all.Wait()
}

// loop reads one object in one namespace (empty: all).
type loop struct {
	*Receiver
	object    Object
	namespace string
	key       string        // of its position
	resource  kube.Resource // once it is found
	line      throttle.Line
}

// errGone: the server has forgotten the version; the objects are listed anew.
var errGone = errors.New("the API server does not have the version any more")

// shortest is a round after which the next one begins without a pause.
const shortest = time.Second

func (l *loop) run(ctx context.Context) {
	pause := l.submitter.Backoff()
	for ctx.Err() == nil {
		begin := time.Now()
		err := l.round(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && time.Since(begin) > shortest: // the server ends each watch after some minutes
			pause.Reset()
			continue
		case err != nil:
			l.tell(err)
		}
		l.submitter.Wait(ctx, err, &pause)
	}
}

// tooShort is the life of a watch that says that something is wrong: for some resources the API server ends one from a version that it has
// forgotten at once, without an error (kubernetes/kubernetes#104171).
const tooShort = time.Second

// round is a pull, or a watch until its end.
func (l *loop) round(ctx context.Context) (err error) {
	if l.resource.Name == "" {
		if l.resource, err = l.raw.Find(ctx, l.object.Name, l.object.Group); err != nil {
			return err
		}
	}
	if l.object.Mode != watch {
		return l.pull(ctx)
	}
	begin := time.Now()
	if err := l.watch(ctx); !errors.Is(err, errGone) && (err != nil || ctx.Err() != nil || time.Since(begin) > tooShort) {
		return err
	}
	l.relists.Inc()
	return l.list(ctx, number(l.positions.Get(l.key)))
}

func (l *loop) tell(err error) {
	if l.cfg.ErrorMode == "silent" {
		return
	}
	suppressed, due := l.line.Now()
	if !due {
		return
	}
	message := "cannot read objects; trying again"
	if apierrors.IsForbidden(err) {
		message = "the service account has no right to read objects: its role needs the verbs list, and watch in this mode, on the resource"
	}
	resource := l.object.Name
	if l.object.Group != "" {
		resource = strings.Join([]string{l.object.Name, l.object.Group}, ".")
	}
	l.settings.Log.Warn(message, "resource", resource, "namespace", l.namespace, "error", err, "suppressed", suppressed)
}

// deliver hands on records, and only then moves the position. While the pipeline refuses, reading waits.
func (l *loop) deliver(ctx context.Context, records []record, position string) error {
	if len(records) > 0 {
		batch := pipeline.Batch{Signal: pipeline.Logs, Request: l.writer.request(records, l.resource.Name, time.Now()), Items: len(records)}
		pause := l.submitter.Backoff()
		for {
			err := l.submitter.Submit(ctx, batch)
			if _, again := pipeline.AsRefused(err); !again {
				if err != nil {
					l.settings.Log.Warn("objects were rejected", "error", err)
				}
				break
			}
			if ctx.Err() != nil {
				return err
			}
			batch = batch.Remaining(err)
			l.submitter.Pause(ctx, err, &pause)
		}
		l.objects.Add(float64(len(records)))
	}
	if position != "" {
		l.positions.Set(l.key, position)
	}
	return nil
}

var (
	_ pipeline.Starter = (*Receiver)(nil)
	_ pipeline.Stopper = (*Receiver)(nil)
)
