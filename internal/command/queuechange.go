package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/spool"
)

// opened are logs that we have the locks of.
type opened struct {
	dirs []string
	logs []*spool.Log
}

// open takes the locks of all folders, or none.
func (c *cli) open(dirs []string) (*opened, error) {
	o := &opened{dirs: dirs}
	for _, dir := range dirs {
		l, err := spool.Open(spool.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(c.err, nil))})
		if err != nil {
			if errors.Is(err, spool.ErrLocked) {
				err = fmt.Errorf("a daemon has %s, nothing was changed (%w)", dir, err)
			}
			return nil, errors.Join(err, o.close())
		}
		o.logs = append(o.logs, l)
	}
	return o, nil
}

func (o *opened) close() error {
	var errs []error
	for _, l := range o.logs {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// unconfirmed says what a command would do without --confirm.
func (c *cli) unconfirmed(cmd *cobra.Command, would string, dirs []string) error {
	for _, dir := range dirs {
		t, _, err := spool.Unsettled(dir)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s: %s\n", dir, totals(t))
	}
	return errUsage{fmt.Errorf("nothing was changed: this would %s; add --confirm to do it", would), cmd}
}

func (c *cli) queueDrop() *cobra.Command {
	confirm := false
	cmd := &cobra.Command{
		Use: "drop DIR --confirm", Short: "give up all records of a queue or a lane, or all dead letters", Args: oneFolder,
		Long: "Give up all unsettled records of a queue, of one lane, or of the folder dead_letters. Dead letters of a queue stay\nunless their folder is named. They are gone: `queue export` saves them before.",
		RunE: func(cmd *cobra.Command, args []string) error {
			dirs, err := logsIn(args[0], false)
			if err != nil {
				return err
			}
			if !confirm {
				return c.unconfirmed(cmd, "drop these records for ever", dirs)
			}
			err = c.drop(cmd.Context(), dirs)
			c.sayLetters(args[0])
			return err
		},
	}
	cmd.Flags().BoolVar(&confirm, "confirm", false, "really drop")
	return cmd
}

func (c *cli) drop(ctx context.Context, dirs []string) error {
	o, err := c.open(dirs)
	if errors.Is(err, spool.ErrLocked) {
		return c.askDaemon(ctx, "drop", order{Folders: dirs}, err)
	}
	if err != nil {
		return err
	}
	var errs []error
	for i, l := range o.logs {
		got := l.GiveUp() // the daemon counts it at its next start
		fmt.Fprintf(c.out, "%s: dropped %s\n", o.dirs[i], totals(got))
		if left := l.Stats().Unsettled.Records; left > 0 {
			errs = append(errs, fmt.Errorf("%s still has %d records that the disk does not give: %w", o.dirs[i], left, l.Stats().LastError))
		}
		if err := l.SaveCursor(); err != nil {
			errs = append(errs, fmt.Errorf("the drop is not saved, and the records may come again; free some disk and repeat it: %w", err))
		}
	}
	return errors.Join(append(errs, o.close())...)
}

// sayLetters reminds of the dead letters, which are left where they are.
func (c *cli) sayLetters(dir string) {
	if s, err := queue.Summarize(dir); err == nil && s.Letters.Records > 0 {
		fmt.Fprintf(c.out, "%s: dead letters are kept: %s\n", filepath.Join(dir, queue.LettersDir), totals(s.Letters))
	}
}
