// Package pods chooses container logs by what their pods say of themselves at the Kubernetes API: labels and annotations.
package pods

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/pipeline"
)

// Config is the section `pods` of the receiver.
type Config struct {
	kube.Access `mapstructure:",squash"`

	// NodeFromEnvVar is the environment variable with the node's name: pods of other nodes are not watched.
	NodeFromEnvVar string `mapstructure:"node_from_env_var"`
	// Selectors as in kubectl: "app=web,tier!=db", "app in (a,b)", "!job". Of annotations likewise.
	IncludeLabels      string `mapstructure:"include_labels"`
	ExcludeLabels      string `mapstructure:"exclude_labels"`
	IncludeAnnotations string `mapstructure:"include_annotations"`
	ExcludeAnnotations string `mapstructure:"exclude_annotations"`
}

// The annotations that a pod may have.
const (
	logsAnnotation      = "sluice.io/logs"      // "false": none of its logs are read
	multilineAnnotation = "sluice.io/multiline" // how its lines are joined
)

// Validate reports every fault.
func (c *Config) Validate() error {
	if c == nil {
		return nil
	}
	errs := []error{c.Access.Validate()}
	if c.NodeFromEnvVar == "" {
		errs = append(errs, errors.New(`"node_from_env_var" is missing: name the variable that has spec.nodeName, or every agent watches every pod`))
	}
	for key, text := range map[string]string{
		"include_labels": c.IncludeLabels, "exclude_labels": c.ExcludeLabels, "include_annotations": c.IncludeAnnotations, "exclude_annotations": c.ExcludeAnnotations,
	} {
		if _, err := labels.Parse(text); err != nil {
			errs = append(errs, fmt.Errorf(`"%s" is no selector: %w; write such as app=web,tier!=db`, key, err))
		}
	}
	return errors.Join(errs...)
}

// Chooser knows the pods of the node. Its methods may be called by several goroutines. A nil one chooses everything.
type Chooser struct {
	user    *kube.User
	watch   *kube.Watch
	missing error
	rules   [4]labels.Selector // include and exclude of labels, then of annotations; nil for none

	mu      sync.Mutex
	index   *kube.Index
	chosen  map[string]time.Time // uids, and when they were asked for last
	unknown map[string]time.Time
}

const (
	// firstList is how long the first look for files waits for the list of pods.
	firstList = 10 * time.Second
	// remembered is how long a pod that nobody asks for stays decided.
	remembered = time.Hour
	// unknownFor is how long a pod counts as unknown after it was last asked for.
	unknownFor = 30 * time.Second
)

// New makes a chooser; nil without the section.
func New(s pipeline.Settings, c *Config) (*Chooser, error) {
	if c == nil {
		return nil, nil
	}
	p := &Chooser{chosen: map[string]time.Time{}, unknown: map[string]time.Time{}}
	for i, text := range []string{c.IncludeLabels, c.ExcludeLabels, c.IncludeAnnotations, c.ExcludeAnnotations} {
		if text == "" {
			continue
		}
		selector, err := labels.Parse(text)
		if err != nil {
			return nil, err
		}
		p.rules[i] = selector
	}
	var err error
	if p.user, err = kube.Use(c.Access, kube.Feature{Name: s.ID.String(), Log: s.Log, Version: s.Version}); err != nil {
		return nil, err
	}
	node := os.Getenv(c.NodeFromEnvVar)
	if node == "" {
		p.missing = fmt.Errorf(`"pods::node_from_env_var": the environment variable %s is not set: the pod needs it from fieldRef spec.nodeName`, c.NodeFromEnvVar)
	}
	p.watch = p.user.Reserve(kube.Want{Kind: kube.Pods, Fields: "spec.nodeName=" + node, Need: kube.Identity})
	return p, s.Metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_tail_unknown_pods", Help: "Pods with container logs that are left alone, because the Kubernetes API does not know the pod: it was deleted, or a right is missing.",
	}, func() float64 { return float64(p.countUnknown(time.Now())) }))
}

// Start begins the watch.
func (p *Chooser) Start(ctx context.Context) error {
	if p == nil {
		return nil
	}
	if p.missing != nil {
		return p.missing
	}
	if err := p.user.Start(ctx); err != nil {
		return err
	}
	index, err := p.watch.Index()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index = index
	return nil
}

// Wait returns when the pods are listed once, ctx ends, or ten seconds have passed: until then no file is new or old.
func (p *Chooser) Wait(ctx context.Context) {
	if p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, firstList)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !p.index.Synced() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Stop ends the watch.
func (p *Chooser) Stop() {
	if p != nil {
		p.user.Close()
	}
}

// LeavesOut reports whether the logs of a pod are left alone: its labels or annotations say so, or it is not known. A pod whose logs are
// read stays so, whatever it says later, until it is gone.
func (p *Chooser) LeavesOut(uid string) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if _, have := p.chosen[uid]; have {
		p.chosen[uid] = now
		return false
	}
	pod := p.podLocked(uid)
	if pod == nil {
		p.unknown[uid] = now
		return true
	}
	delete(p.unknown, uid)
	if !p.takes(pod) {
		return true
	}
	for old, at := range p.chosen {
		if now.Sub(at) > remembered {
			delete(p.chosen, old)
		}
	}
	p.chosen[uid] = now
	return false
}

func (p *Chooser) podLocked(uid string) *kube.Pod {
	if p.index == nil {
		return nil
	}
	if e := p.index.ByUID(uid); e != nil {
		return e.Pod()
	}
	return nil
}

func (p *Chooser) takes(pod *kube.Pod) bool {
	if pod.Annotations[logsAnnotation] == "false" {
		return false
	}
	for i, of := range []map[string]string{pod.Labels, pod.Labels, pod.Annotations, pod.Annotations} {
		if include := i%2 == 0; p.rules[i] != nil && p.rules[i].Matches(labels.Set(of)) != include {
			return false
		}
	}
	return true
}

// Multiline is what a pod says of how its lines are joined; empty for nothing.
func (p *Chooser) Multiline(uid string) string {
	if p == nil {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if pod := p.podLocked(uid); pod != nil {
		return pod.Annotations[multilineAnnotation]
	}
	return ""
}

func (p *Chooser) countUnknown(now time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for uid, at := range p.unknown {
		if now.Sub(at) > unknownFor {
			delete(p.unknown, uid)
		}
	}
	return len(p.unknown)
}
