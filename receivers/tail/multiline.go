package tail

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/finder"
	"github.com/sluiceio/sluice/receivers/tail/multiline"
	"github.com/sluiceio/sluice/receivers/tail/pods"
	"github.com/sluiceio/sluice/receivers/tail/record"
)

// Multiline says which lines are one record. Its own keys are for all files that no rule names.
type Multiline struct {
	Joining `mapstructure:",squash"`
	// MaxLines limits the lines of a record; what follows is the next one.
	MaxLines int `mapstructure:"max_lines"`
	// Rules are for some files; the first that names a file counts.
	Rules []MultilineRule `mapstructure:"rules"`
}

// Joining is one way to join lines: one of its keys, or none.
type Joining struct {
	// Presets name languages whose stack traces are one record: java, python, go, nodejs, dotnet.
	Presets []string `mapstructure:"presets"`
	// LineStartPattern is a regular expression that a record's first line matches.
	LineStartPattern string `mapstructure:"line_start_pattern"`
	// LineEndPattern is a regular expression that a record's last line matches.
	LineEndPattern string `mapstructure:"line_end_pattern"`
}

// MultilineRule is how the lines of some files are joined; without a key of Joining, they are not.
type MultilineRule struct {
	// Include lists globs of files, as the receiver's key does. A pod's log on a node with Docker has its name under /var/log/pods.
	Include []string `mapstructure:"include"`
	Joining `mapstructure:",squash"`
}

const (
	maxLinesDefault = 1000
	maxFlush        = 30 * time.Second
	minFlush        = time.Millisecond
)

func (j Joining) choice() multiline.Choice {
	return multiline.Choice{Presets: j.Presets, Start: j.LineStartPattern, End: j.LineEndPattern}
}

// validate returns all faults, with their keys.
func (m *Multiline) validate() error {
	var errs []error
	check := func(key string, j Joining) {
		if _, err := multiline.New(j.choice()); err != nil {
			errs = append(errs, fmt.Errorf(`"%s": %w`, key, err))
		}
	}
	check("multiline", m.Joining)
	if m.MaxLines < 2 {
		errs = append(errs, fmt.Errorf(`"multiline::max_lines" is %d: set at least 2; the default is %d`, m.MaxLines, maxLinesDefault))
	}
	for i, rule := range m.Rules {
		key := fmt.Sprintf("multiline::rules::%d", i)
		check(key, rule.Joining)
		if len(rule.Include) == 0 {
			errs = append(errs, fmt.Errorf(`"%s::include" is empty: name the files that the rule is for; for all files, write its keys under "multiline"`, key))
		}
		if _, err := finder.ParseGlobs(rule.Include); err != nil {
			errs = append(errs, fmt.Errorf(`"%s::include": %w`, key, err))
		}
	}
	return errors.Join(errs...)
}

// chooser returns how the lines of a file are joined, by what its pod says, or by its path and the pod's name for it; nil: no file's
// are.
func (c *Config) chooser(by *pods.Chooser) (func(path, as string) *multiline.Rule, error) {
	of := func(choice multiline.Choice) (*multiline.Rule, error) {
		rule, err := multiline.New(choice)
		if rule != nil {
			rule.MaxLines, rule.Flush = c.Multiline.MaxLines, c.ForceFlushPeriod
		}
		return rule, err
	}
	build := func(j Joining) (*multiline.Rule, error) { return of(j.choice()) }
	type chosen struct {
		globs []finder.Glob
		rule  *multiline.Rule
	}
	var rules []chosen
	usual, err := build(c.Multiline.Joining)
	if err != nil {
		return nil, err
	}
	for _, r := range c.Multiline.Rules {
		globs, err := finder.ParseGlobs(r.Include)
		if err != nil {
			return nil, err
		}
		rule, err := build(r.Joining)
		if err != nil {
			return nil, err
		}
		rules = append(rules, chosen{globs, rule})
	}
	if usual == nil && len(rules) == 0 && by == nil {
		return nil, nil
	}
	said := annotated(by, of)
	return func(path, as string) *multiline.Rule {
		if rule, is := said(cmp.Or(as, path)); is {
			return rule
		}
		for _, r := range rules {
			if slices.ContainsFunc(r.globs, func(g finder.Glob) bool { return g.Match(path) || as != "" && g.Match(as) }) {
				return r.rule
			}
		}
		return usual
	}, nil
}

// annotated returns what the pod of a container log says of its lines. What is no preset counts as not said.
func annotated(by *pods.Chooser, build func(multiline.Choice) (*multiline.Rule, error)) func(name string) (rule *multiline.Rule, said bool) {
	type answer struct {
		rule *multiline.Rule
		said bool
	}
	var known sync.Map // by the annotation: files of one kind share a rule
	return func(name string) (*multiline.Rule, bool) {
		uid, _ := record.PodUIDOf(name)
		text := by.Multiline(uid)
		if text == "" {
			return nil, false
		}
		if a, have := known.Load(text); have {
			return a.(answer).rule, a.(answer).said
		}
		choice, err := multiline.ParseAnnotation(text)
		var a answer
		if err == nil {
			a.rule, err = build(choice)
			a.said = err == nil
		}
		known.Store(text, a)
		return a.rule, a.said
	}
}
