package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	files, err := caseFiles(args, match)
	if err != nil {
		return err
	}
	by := trial.Command{Components: c.Components, Options: c.Options, Sources: c.sources()}
	by.Options.AllowIgnoredKeys = c.flags.allowIgnored
	start, failed := time.Now(), 0
	for _, file := range files {
		if !c.runCase(cmd, f, by, file) {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d cases failed", failed, len(files))
	}
	fmt.Fprintf(c.out, "ok  %d cases (%s)\n", len(files), time.Since(start).Round(time.Millisecond))
	return nil
}

// runCase reports whether a case passed.
func (c *cli) runCase(cmd *cobra.Command, f testFlags, by trial.Command, file string) bool {
	fail := func(text string) bool {
		fmt.Fprintf(c.out, "FAIL %s\n    %s\n", file, strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    "))
		return false
	}
	t, err := trial.Read(file)
	if err != nil {
		return fail(err.Error())
	}
	out, err := t.Run(cmd.Context(), by)
	if err != nil {
		return fail(err.Error())
	}
	text := strings.Join(out.Differences, "\n")
	if f.verbose && out.Log != "" {
		text += "\nlog:\n" + out.Log
	}
	switch {
	case len(out.Differences) > 0 && f.update:
		if err := t.Update(out); err != nil {
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

// caseFiles are the files that are named, and those below folders.
func caseFiles(args []string, match *regexp.Regexp) (files []string, err error) {
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, arg)
			continue
		}
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && filepath.Ext(path) == ".txtar" {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	var chosen []string
	for _, file := range files {
		if match.MatchString(file) {
			chosen = append(chosen, file)
		}
	}
	if len(chosen) == 0 {
		return nil, errors.New("there is no such case; a case is a file *.txtar")
	}
	return chosen, nil
}
