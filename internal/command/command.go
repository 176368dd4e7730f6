// Package command is the command line of the three binaries: flags, verbs, exit codes and signals.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluiceio/sluice/internal/build"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

// Exit codes. 78 is EX_CONFIG of sysexits(3).
const (
	ExitOK      = 0
	ExitFailure = 1
	ExitUsage   = 2
	ExitConfig  = 78
)

// Program is a binary.
type Program struct {
	Name       string
	Doc        string // what the root command says of itself
	Components []pipeline.Component
	Default    read.Text      // runs when no --config is given
	Options    config.Options // the endpoints of the embedded default
	Up         bool           // the program runs under the verb `up`, with the flags of a laptop

	// GCPercent is GOGC unless the environment sets it; 0 for Go's default.
	GCPercent int
}

// Main runs the program and returns its exit code. The first SIGTERM or SIGINT drains, a second one exits at once.
func Main(p Program) int {
	if p.GCPercent > 0 && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(p.GCPercent)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		fmt.Fprintf(os.Stderr, "%s: second signal: exiting without draining\n", p.Name)
		os.Exit(ExitFailure)
	}()
	return Run(ctx, p, os.Args[1:], os.Stdout, os.Stderr)
}

// Run is Main with explicit arguments; the end of ctx acts as SIGTERM.
func Run(ctx context.Context, p Program, args []string, stdout, stderr io.Writer) int {
	c := &cli{Program: p, out: stdout, err: stderr}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	return c.exit(err)
}

type cli struct {
	Program
	out, err io.Writer
	flags    flags
}

// errUsage marks errors of the command line.
type errUsage struct {
	cause error
	of    *cobra.Command // whose help says it right
}

func (e errUsage) Error() string { return e.cause.Error() }
func (e errUsage) Unwrap() error { return e.cause }

func (c *cli) exit(err error) int {
	var faults read.Faults
	var usage errUsage
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &faults):
		fmt.Fprintf(c.err, "%s\n%s: the configuration has %d fault(s); nothing was started\n", faults.Error(), c.Name, len(faults))
		return ExitConfig
	case errors.As(err, &usage):
		fmt.Fprintf(c.err, "%s: %v\nTry '%s --help'.\n", c.Name, err, usage.of.CommandPath())
		return ExitUsage
	}
	fmt.Fprintf(c.err, "%s: %v\n", c.Name, err)
	return ExitFailure
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use: c.Name, Long: c.Doc, SilenceErrors: true, SilenceUsage: true,
		Args: noArguments, CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runDaemon(cmd.Context()) },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return errUsage{err, cmd} })
	if c.Up {
		root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		root.AddCommand(c.up())
	}
	c.flags.register(root.PersistentFlags())
	root.AddCommand(c.validate(), c.components(), c.printConfig(), c.queue(), c.status(), c.test(), c.explain(), &cobra.Command{
		Use: "version", Short: "say which build this is", Args: noArguments,
		Run: func(*cobra.Command, []string) { fmt.Fprintln(c.out, build.Line(c.Name)) },
	})
	return root
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return errUsage{fmt.Errorf("unknown argument %q for %q", args[0], cmd.CommandPath()), cmd}
}

func (c *cli) validate() *cobra.Command {
	return &cobra.Command{
		Use: "validate", Aliases: []string{"check"}, Args: noArguments,
		Short: "check the configuration and report every fault with its place",
		RunE: func(cmd *cobra.Command, _ []string) error {
			components := slog.New(slog.NewTextHandler(warning{c.err}, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: onlyWords}))
			_, warnings, err := c.check(cmd.Context(), components)
			for _, w := range warnings {
				fmt.Fprintln(c.err, "warning:", w)
			}
			if err == nil {
				fmt.Fprintln(c.out, "the configuration is valid")
			}
			return err
		},
	}
}

// warning writes lines of a log as those of validate.
type warning struct{ to io.Writer }

func (w warning) Write(line []byte) (int, error) {
	_, err := fmt.Fprintf(w.to, "warning: %s", line)
	return len(line), err
}

// onlyWords takes time and level out of a line.
func onlyWords(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
		return slog.Attr{}
	}
	return a
}

func (c *cli) components() *cobra.Command {
	return &cobra.Command{
		Use: "components", Short: "list the components that a configuration may name", Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return c.listComponents() },
	}
}

func (c *cli) printConfig() *cobra.Command {
	return &cobra.Command{
		Use: "print-config", Short: "print the merged configuration, secrets hidden", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := interruptible(cmd.Context(), func() ([]byte, error) {
				return config.Print(cmd.Context(), c.sources(), c.Components)
			})
			if err != nil {
				return err
			}
			_, err = c.out.Write(text)
			return err
		},
	}
}
