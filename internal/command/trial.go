package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluiceio/sluice/internal/trial"
)

type testFlags struct {
	run             string
	update, verbose bool
}

func (c *cli) test() *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use: "test FILE|FOLDER...", Short: "run cases (*.txtar) of a configuration: input, and what exporters must get",
		Long: "Runs each case through the real pipeline: receivers get the input of the case, exporters only record.\n" +
			"Nothing is sent or stored. A case without a configuration uses that of --config. How to write one: docs/testing.md.",
		RunE: func(cmd *cobra.Command, args []string) error { return c.runTests(cmd, f, args) },
	}
	cmd.Flags().StringVarP(&f.run, "run", "r", "", "run only cases whose file name matches `REGEXP`")
	cmd.Flags().BoolVarP(&f.update, "update", "u", false, "write what came into the wanted parts that differ")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "name each case, and print what components log")
	return cmd
}

func (c *cli) runTests(cmd *cobra.Command, f testFlags, args []string) error {
	match, err := regexp.Compile(f.run)
	if err != nil {
		return errUsage{fmt.Errorf("--run is no regular expression: %w", err), cmd}
	}
	if len(args) == 0 {
		return errUsage{errors.New("name the cases: files, or folders with *.txtar"), cmd}
	}
	files, err := trial.Find(args, match)
	if err != nil {
		return err
	}
	runner := &trial.Runner{Components: c.Components, Options: c.Options, Sources: c.sources()}
	runner.Options.AllowIgnoredKeys = c.flags.allowIgnored
	start, failed := time.Now(), 0
	for _, file := range files {
		if !c.runCase(cmd, f, runner, file) {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d case(s) failed", failed, len(files))
	}
	fmt.Fprintf(c.out, "ok  %d case(s) (%s)\n", len(files), time.Since(start).Round(time.Millisecond))
	return nil
}

// runCase reports whether a case passed.
func (c *cli) runCase(cmd *cobra.Command, f testFlags, runner *trial.Runner, file string) bool {
	fail := func(text string) bool {
		fmt.Fprintf(c.out, "FAIL %s\n    %s\n", file, strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    "))
		return false
	}
	t, err := trial.Read(file)
	if err != nil {
		return fail(err.Error())
	}
	out, err := runner.Run(cmd.Context(), t)
	if err != nil {
		return fail(err.Error())
	}
	text := strings.Join(out.Differences, "\n")
	if f.verbose && out.Log != "" {
		text += "\nlog:\n" + out.Log
	}
	switch {
	case len(out.Differences) > 0 && f.update:
		again, err := runner.Run(cmd.Context(), t)
		if err == nil {
			err = t.Update(out, again)
		}
		if err != nil {
			return fail(err.Error())
		}
		fmt.Fprintf(c.out, "updated %s\n", file)
	case len(out.Differences) > 0:
		return fail(text)
	case f.verbose:
		fmt.Fprintf(c.out, "ok   %s (%s)%s\n", file, out.Took.Round(100*time.Microsecond), strings.ReplaceAll(text, "\n", "\n    "))
	}
	return true
}

func (c *cli) explain() *cobra.Command {
	var receiver string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "explain [CONFIG] < RECORDS.json", Short: "say what a configuration does with a record: statements, drops, exporters",
		Long: "Reads records as OTLP/JSON and follows each on its own: which conditions held, what each statement changed, by which\n" +
			"processor it was dropped, which pipelines and exporters it reaches. Nothing is sent or stored. See docs/testing.md.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return errUsage{fmt.Errorf("unknown argument %q; the records come from the standard input", args[1]), cmd}
			}
			c.flags.config = append(c.flags.config, args...)
			return c.explainRecords(cmd, receiver, asJSON)
		},
	}
	cmd.Flags().StringVar(&receiver, "receiver", "", "the `RECEIVER` that the records come from (default: otlp, or the only one)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, a list with an object for each record")
	return cmd
}

func (c *cli) explainRecords(cmd *cobra.Command, receiver string, asJSON bool) error {
	cfg, warnings, err := c.load(cmd.Context())
	for _, w := range warnings {
		fmt.Fprintln(c.err, "warning:", w)
	}
	if err != nil {
		return err
	}
	text, err := interruptible(cmd.Context(), func() ([]byte, error) { return io.ReadAll(cmd.InOrStdin()) })
	if err != nil {
		return err
	}
	explained, err := trial.Explain(cmd.Context(), cfg, receiver, text)
	if err != nil {
		return errors.New(cfg.Redact(err.Error()))
	}
	var out bytes.Buffer
	if asJSON {
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false) // a secret would not be found in escapes
		enc.SetIndent("", "  ")
		err = enc.Encode(explained)
	} else {
		for i, e := range explained {
			if i > 0 {
				fmt.Fprintln(&out)
			}
			fmt.Fprint(&out, e.Text(i+1, len(explained)))
		}
	}
	fmt.Fprint(c.out, cfg.Redact(out.String()))
	return err
}
