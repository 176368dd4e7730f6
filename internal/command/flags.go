package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config"
	"github.com/sluiceio/sluice/pipeline/config/read"
	"github.com/sluiceio/sluice/pipeline/engine"
)

type flags struct {
	config       []string
	set          []string
	allowIgnored bool
	dataDir      string
	overlay      []read.Text // made from the flags of `up`
}

func (f *flags) register(set *pflag.FlagSet) {
	set.StringArrayVar(&f.config, "config", nil, "configuration `FILE` (or file:, env:, yaml: URI); repeatable, later ones win; without it the embedded default runs")
	set.StringArrayVar(&f.set, "set", nil, "override one key with `KEY=VALUE`, as in exporters.otlp_http.endpoint=http://host:4318; repeatable")
	set.BoolVar(&f.allowIgnored, "allow-ignored-keys", false, "warn about keys of the Collector that are not supported instead of failing")
	set.StringVar(&f.dataDir, "data-dir", "", "`FOLDER` for checkpoints and stores (default: below /var/lib when that is writable, else below your home)")
}

func (c *cli) sources() read.Sources {
	src := read.Sources{Config: c.flags.config, Set: c.flags.set}
	if len(src.Config) == 0 {
		src.Embedded = append([]read.Text{c.Default}, c.flags.overlay...)
	}
	return src
}

func (c *cli) load(ctx context.Context) (*pipeline.Config, []read.Warning, error) {
	o := c.Options
	o.AllowIgnoredKeys = c.flags.allowIgnored
	type loaded struct {
		cfg      *pipeline.Config
		warnings []read.Warning
	}
	got, err := interruptible(ctx, func() (loaded, error) {
		cfg, warnings, err := config.Load(ctx, c.sources(), c.Components, o)
		return loaded{cfg, warnings}, err
	})
	return got.cfg, got.warnings, err
}

// check is load, and builds what the configuration describes. Warnings of components go to log.
func (c *cli) check(ctx context.Context, log *slog.Logger) (*pipeline.Config, []read.Warning, error) {
	cfg, warnings, err := c.load(ctx)
	if err != nil {
		return nil, warnings, err
	}
	found, err := engine.Check(cfg, log)
	var faults read.Faults
	for _, f := range found {
		one := read.Finding{Place: f.Place, Path: string(f.Component.Kind) + "s::" + f.ID.String(), Text: cfg.Redact(f.Err.Error())}
		if !slices.Contains(faults, one) { // a connector and a processor are built for each signal or pipeline
			faults = append(faults, one)
		}
	}
	if len(faults) > 0 {
		return nil, warnings, faults
	}
	return cfg, warnings, err
}

// interruptible runs what reads the configuration until ctx ends: a file may be a pipe that nobody writes to.
func interruptible[T any](ctx context.Context, load func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := load()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, errors.New("told to stop before the configuration was read; is one of its files a pipe that nobody writes to?")
	}
}

// dataDir is the state folder: the flag, /var/lib/NAME if writable, or below the home.
func (c *cli) dataDir() (string, error) {
	if dir := c.flags.dataDir; dir != "" {
		return dir, os.MkdirAll(dir, 0o700)
	}
	candidates := []string{filepath.Join("/var/lib", c.Name)}
	if home := os.Getenv("XDG_STATE_HOME"); home != "" {
		candidates = append(candidates, filepath.Join(home, c.Name))
	} else if home, err := os.UserHomeDir(); err == nil {
		candidates = append(candidates, filepath.Join(home, ".local", "state", c.Name))
	}
	var last error
	for _, dir := range candidates {
		if last = writable(dir); last == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("cannot make a data directory (%w); name one with --data-dir", last)
}

func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return err
	}
	probe.Close()
	return os.Remove(probe.Name())
}

func (c *cli) listComponents() error {
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	for _, kind := range pipeline.Kinds {
		fmt.Fprintf(w, "%ss\n", strings.ToUpper(string(kind)[:1])+string(kind)[1:])
		for _, comp := range c.Components {
			if comp.Kind == kind {
				row(w, comp)
			}
		}
	}
	return w.Flush()
}

func row(w io.Writer, c pipeline.Component) {
	var signals []string
	for _, w := range c.Ways {
		if w.From != w.To {
			signals = append(signals, w.From.String()+"->"+w.To.String())
		} else {
			signals = append(signals, w.From.String())
		}
	}
	if c.Kind != pipeline.KindConnector {
		for _, s := range c.Signals {
			signals = append(signals, s.String())
		}
	}
	name := c.Type
	if len(c.Aliases) > 0 {
		name += " (" + strings.Join(c.Aliases, ", ") + ")"
	}
	fmt.Fprintf(w, "  %s\t%s\t%s\n", name, strings.Join(signals, " "), c.Doc)
}
