package metrics

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
)

// Prometheus' own defaults.
const (
	outageTolerance = time.Hour
	forGracePeriod  = 10 * time.Minute
	resendDelay     = time.Minute
)

// startRules loads and runs the rules. Recordings go to the TSDB, outside of the ledger; alerts are only shown.
func (s *Store) startRules() error {
	external, err := url.Parse(s.options.ExternalURL)
	if err != nil {
		return fmt.Errorf("cannot read %q: %w", "external_url", err)
	}
	loader := ruleLoader{store: s}
	s.rules = rules.NewManager(&rules.ManagerOptions{
		ExternalURL:            external,
		QueryFunc:              rules.EngineQueryFunc(s.engine, s.db),
		NotifyFunc:             func(context.Context, string, ...*rules.Alert) {},
		Context:                context.Background(), // Stop ends it
		Appendable:             s.db,
		Queryable:              s.db,
		Logger:                 s.settings.LibraryLog(),
		Registerer:             s.settings.Metrics,
		OutageTolerance:        outageTolerance,
		ForGracePeriod:         forGracePeriod,
		ResendDelay:            resendDelay,
		GroupLoader:            loader,
		DefaultRuleQueryOffset: func() time.Duration { return 0 },
		Parser:                 s.parser,
	})
	if err := s.ReloadRules(); err != nil {
		return err
	}
	s.running.Go(s.rules.Run)
	return nil
}

func (s *Store) stopRules() {
	s.stopping.Do(func() {
		s.rules.Stop()
		s.running.Wait()
	})
}

// ReloadRules reads the rule files again. After a fault the running rules stay; the error names file and place.
func (s *Store) ReloadRules() error {
	files, err := ruleLoader{store: s}.find()
	if err != nil {
		return err
	}
	if err := s.rules.Update(s.options.EvaluationInterval, files, labels.EmptyLabels(), s.options.ExternalURL, nil); err != nil {
		// The manager only logs the faults.
		return errors.Join(append(ruleLoader{store: s}.faults(files), err)...)
	}
	return nil
}

// CheckRules reports every fault in the matching rule files, with file and place.
func CheckRules(patterns []string) error {
	l := ruleLoader{store: &Store{parser: parser.NewParser(parser.Options{}), options: Options{RuleFiles: patterns}}}
	l.store.settings.Log = slog.New(slog.DiscardHandler)
	files, err := l.find()
	if err != nil {
		return err
	}
	return errors.Join(l.faults(files)...)
}

// builtin marks files from Options.RulesFS, also in /api/v1/rules.
const builtin = "builtin:"

type ruleLoader struct{ store *Store }

func (l ruleLoader) find() ([]string, error) {
	var files []string
	for _, pattern := range l.store.options.RuleFiles {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("%q: %q is not a pattern; write for example /etc/sluice/rules/*.yaml", "rule_files", pattern)
		}
		files = append(files, found...)
	}
	if l.store.options.RulesFS != nil {
		err := fs.WalkDir(l.store.options.RulesFS, ".", func(name string, d fs.DirEntry, err error) error {
			if ext := path.Ext(name); err == nil && !d.IsDir() && (ext == ".yaml" || ext == ".yml") {
				files = append(files, builtin+name)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("cannot list the built-in rules: %w", err)
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// Load implements rules.GroupLoader.
func (l ruleLoader) Load(file string, ignoreUnknown bool, scheme model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	name, ok := strings.CutPrefix(file, builtin)
	if !ok {
		return rulefmt.ParseFile(file, ignoreUnknown, scheme, l.store.parser, l.store.settings.Log)
	}
	b, err := fs.ReadFile(l.store.options.RulesFS, name)
	if err != nil {
		return nil, []error{err}
	}
	groups, errs := rulefmt.Parse(b, ignoreUnknown, scheme, l.store.parser, l.store.settings.Log)
	for i := range errs {
		errs[i] = fmt.Errorf("%s: %w", file, errs[i])
	}
	return groups, errs
}

// Parse implements rules.GroupLoader.
func (l ruleLoader) Parse(query string) (parser.Expr, error) { return l.store.parser.ParseExpr(query) }

func (l ruleLoader) faults(files []string) (faults []error) {
	for _, f := range files {
		_, errs := l.Load(f, false, model.UTF8Validation)
		faults = append(faults, errs...)
	}
	return faults
}
