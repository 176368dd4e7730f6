package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/spool"
)

// errDamage is the end of a verify that found something; what, it has printed.
var errDamage = errors.New("there is damage; the daemon skips and counts it; docs/queue.md says what to do")

func (c *cli) queue() *cobra.Command {
	cmd := &cobra.Command{
		Use: "queue", Short: "look into the queues on disk and their dead letters, save what is in them, or send it", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.queueLs(), c.queueInspect(), c.queueVerify(), c.queueExport(), c.queueDrop(), c.queueReplay(), c.queueDrain())
	return cmd
}

// oneFolder wants the argument DIR.
func oneFolder(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 1:
		return nil
	case 0:
		return errUsage{errors.New("name the folder of a queue, of a lane of it, or of its dead letters; `queue ls` lists the queues"), cmd}
	}
	return errUsage{fmt.Errorf("unknown argument %q; one folder at a time", args[1]), cmd}
}

// logsIn are the folders of segments that dir means: itself, or the lanes of the queue that it is, and its dead letters if
// they are asked for.
func logsIn(dir string, letters bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read the folder: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() && (strings.HasSuffix(e.Name(), ".seg") || e.Name() == "cursor") {
			return []string{dir}, nil
		}
	}
	lanes, has, err := queue.Lanes(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read the folder: %w", err)
	}
	if has && letters {
		lanes = append(lanes, queue.LettersDir)
	}
	if len(lanes) == 0 && !has {
		if all, _ := queue.Queues(dir); len(all) > 0 {
			return nil, fmt.Errorf("%s has several queues; name one of them, such as %s", dir, all[0].Dir)
		}
		return nil, fmt.Errorf("%s is no queue: it has no lanes (logs, metrics, traces) and no dead letters; `queue ls` lists the queues", dir)
	}
	for i := range lanes {
		lanes[i] = filepath.Join(dir, lanes[i])
	}
	return lanes, nil
}

func (c *cli) queueLs() *cobra.Command {
	var dirs []string
	cmd := &cobra.Command{
		Use: "ls", Short: "list the queues: of --dir, or of the storages of the configuration", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			storages, known, err := c.storages(cmd, dirs)
			if err != nil {
				return err
			}
			var errs []error
			for _, s := range storages {
				errs = append(errs, c.listQueues(s, known))
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().StringArrayVar(&dirs, "dir", nil, "`DIR` of a storage, or of one queue; repeatable")
	return cmd
}

// storages are where to look for queues. known says that the configuration tells which of them are in use.
func (c *cli) storages(cmd *cobra.Command, dirs []string) (out []queue.Storage, known bool, err error) {
	known = len(c.flags.config) > 0 || len(dirs) == 0
	var configured []queue.Storage
	if known {
		cfg, _, err := c.load(cmd.Context())
		if err != nil {
			return nil, false, err
		}
		data, err := c.dataDir()
		if err != nil {
			return nil, false, err
		}
		configured = queue.Storages(cfg, data)
		if len(dirs) == 0 && len(configured) == 0 {
			return nil, false, errors.New(`the configuration has no queue on disk; name the file with --config, or a folder with --dir`)
		}
	}
	if len(dirs) == 0 {
		return configured, known, nil
	}
	for _, dir := range dirs {
		if dir, err = filepath.Abs(dir); err != nil {
			return nil, false, err
		}
		if _, err := os.Stat(dir); err != nil {
			return nil, false, fmt.Errorf("cannot read the folder: %w", err)
		}
		s := queue.Storage{Dir: dir}
		for _, k := range configured {
			if k.Dir == dir || k.Dir == filepath.Dir(dir) {
				s.Queues = append(s.Queues, k.Queues...)
			}
		}
		out = append(out, s)
	}
	return out, known, nil
}

func (c *cli) listQueues(s queue.Storage, known bool) error {
	all, err := queue.Queues(s.Dir)
	if lanes, letters, _ := queue.Lanes(s.Dir); len(lanes) > 0 || letters {
		var one queue.Summary
		one, err = queue.Summarize(s.Dir)
		all = []queue.Summary{one}
	}
	fmt.Fprintln(c.out, s.Dir)
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "  QUEUE\tRECORDS\tITEMS\tBYTES\tOLDEST\tDEAD LETTERS\tLANES\t")
	for _, q := range all {
		name := filepath.Base(q.Dir)
		fmt.Fprintf(w, "  %s\t%d\t%d\t%s\t%s\t%d\t%d\t", printable(name), q.Stored.Records, q.Stored.Count, size(q.Stored.Bytes), age(q.Oldest), q.Letters.Records, len(q.Lanes))
		if known && !slices.Contains(s.Queues, name) {
			if q.Empty() {
				fmt.Fprint(w, "not configured, and empty: it may be removed")
			} else {
				fmt.Fprint(w, "NOT CONFIGURED: nothing sends it; use replay, export or drop")
			}
		}
		fmt.Fprintln(w)
	}
	if len(all) == 0 {
		fmt.Fprintln(w, "  (no queue)")
	}
	return errors.Join(w.Flush(), err)
}

func age(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return max(time.Since(t), 0).Round(time.Second).String()
}

// size is a number of bytes for people.
func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	v, i := float64(n), 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// totals is what a log holds, in words.
func totals(t spool.Totals) string {
	return fmt.Sprintf("%d records, %d items, %s", t.Records, t.Count, size(t.Bytes))
}

// printable is text that came from outside, safe for a terminal and on one line.
func printable(s string) string {
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}
