// Package redaction removes attributes that are not allowed, and masks what must not leave in values of attributes and in
// log bodies. It works on the encoded bytes; a text that cannot match never meets a regular expression.
package redaction

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/internal/prefilter"
	"github.com/sluiceio/sluice/pipeline"
)

// Processor is the redaction processor of one pipeline.
type Processor struct {
	policy  policy
	metrics metrics
	next    pipeline.Sink
	runs    sync.Pool // of *run
}

// A policy is the configuration, ready to use.
type policy struct {
	allowAll, allTypes           bool
	allowed, ignored             keys
	ignoredKeys, blockedKeys     patterns
	blockedValues, allowedValues patterns
	rules                        []rule
	urls                         urls
	hash                         hashing
	key                          []byte
	count, list                  bool // in attributes: how many, and which
}

// New makes the processor.
func New(s pipeline.Settings, c *Config, next pipeline.Sink) (pipeline.Sink, error) {
	p := &Processor{next: next}
	var err error
	if p.policy, err = c.policy(); err != nil {
		return nil, err
	}
	if p.metrics, err = newMetrics(s, p.policy.rules); err != nil {
		return nil, err
	}
	p.runs.New = func() any { return newRun(&p.policy) }
	return p, nil
}

func (c *Config) policy() (p policy, err error) {
	p = policy{
		allowAll: c.AllowAllKeys, allTypes: c.RedactAllTypes, ignored: newKeys(c.IgnoredKeys),
		// As in the Collector, whose other attributes of the summary go where keys are not all allowed.
		allowed: newKeys(append([]string{redactedKeys, redactedCount, maskedKeys, maskedCount, ignoredCount}, c.AllowedKeys...)),
		hash:    hashes[strings.ToLower(c.HashFunction)], key: []byte(c.HMACKey),
		count: c.Summary == "info" || c.Summary == "debug", list: c.Summary == "debug",
	}
	if p.urls, err = newURLs(&c.URLSanitizer); err != nil {
		return p, err
	}
	for _, name := range c.Rules {
		r := *ruleNamed(name)
		if r.may, err = prefilter.Compile(r.hint); err != nil {
			return p, err
		}
		p.rules = append(p.rules, r)
	}
	for _, list := range []struct {
		texts []string
		to    *patterns
	}{
		{c.IgnoredKeyPatterns, &p.ignoredKeys}, {c.BlockedKeyPatterns, &p.blockedKeys},
		{c.BlockedValues, &p.blockedValues}, {c.AllowedValues, &p.allowedValues},
	} {
		for _, text := range list.texts {
			re, err := prefilter.Compile(text)
			if err != nil {
				return p, fmt.Errorf("cannot use a pattern: %w", err)
			}
			*list.to = append(*list.to, re)
		}
	}
	return p, nil
}

// requests are the buffers of changed requests.
var requests buffer.Scratch

// Consume hands on the batch without what must not leave. It has the same items in the same order, so the answer of next is
// the answer for b.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	r := p.runs.Get().(*run)
	defer p.runs.Put(r)
	headers, items := requests.Get(), requests.Get()
	defer requests.Put(headers)
	defer requests.Put(items)
	request, changed := r.headers((*headers)[:0], b.Request)
	if changed {
		*headers, b.Request = request, request
	}
	done := r.editor.EditItems((*items)[:0], b.Signal, b.Request, r.edits[b.Signal])
	if done.Changed {
		*items, b.Request = done.Request, done.Request
	}
	p.metrics.add(r)
	r.end()
	return p.next.Consume(ctx, b)
}

var _ pipeline.Sink = (*Processor)(nil)

// keys is a set of keys by length, which asks a map nothing for each attribute.
type keys [][]string

func newKeys(list []string) (k keys) {
	for _, key := range list {
		for len(k) <= len(key) {
			k = append(k, nil)
		}
		k[len(key)] = append(k[len(key)], key)
	}
	return k
}

func (k keys) has(key []byte) bool {
	if len(key) >= len(k) {
		return false
	}
	for _, x := range k[len(key)] {
		if x == string(key) {
			return true
		}
	}
	return false
}

type patterns []*prefilter.Pattern

// match says whether any of the patterns matches.
func (p patterns) match(text []byte) bool {
	for _, re := range p {
		if re.Match(text) {
			return true
		}
	}
	return false
}
