package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// askDaemon has a running daemon do what a command would do to its queues. locked is why the command cannot do it itself.
func (c *cli) askDaemon(ctx context.Context, command string, o order, locked error) error {
	for i, dir := range o.Folders {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		o.Folders[i] = abs
	}
	dir, err := c.dataDir()
	if err != nil {
		return errors.Join(locked, err)
	}
	body, err := c.post(ctx, dir, command, o)
	if err != nil {
		err = fmt.Errorf("no daemon answers on the admin socket in %s; name its data directory with --data-dir, or stop it first: %w", dir, err)
		return errors.Join(locked, err)
	}
	defer body.Close()
	for answer := json.NewDecoder(body); ; {
		var s said
		if err := answer.Decode(&s); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("ended before the daemon had done it: %w", context.Cause(ctx))
			}
			return fmt.Errorf("the daemon went away before it had done it: %w", err)
		}
		fmt.Fprint(c.out, s.Out)
		fmt.Fprint(c.err, s.Err)
		if s.Done && s.Fault != "" {
			return errors.New(s.Fault)
		}
		if s.Done {
			return nil
		}
	}
}

// post gives an order and returns the answer, which goes on while the daemon works.
func (c *cli) post(ctx context.Context, dataDir, command string, o order) (io.ReadCloser, error) {
	address, done, err := adminAddress(dataDir)
	if err != nil {
		return nil, err
	}
	defer done()
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sluice/"+command, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", address)
	}}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("it answered %s", resp.Status)
	}
	return resp.Body, nil
}

func (c *cli) queueDrain() *cobra.Command {
	timeout := time.Duration(0)
	cmd := &cobra.Command{
		Use: "drain", Short: "make a running daemon send everything that is in its queues, and take nothing new, before its machine or volume goes away", Args: noArguments,
		Long: "Close the intake of all queues of a running daemon, and wait until they are empty. Senders are refused meanwhile and keep their\ndata; /health says 503, so that a load balancer sends elsewhere. Afterwards the intake stays closed: stop the daemon. When the\ncommand ends early (Ctrl-C, --timeout), the queues take batches again.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the queues are not empty after %s", timeout))
				defer cancel()
			}
			return c.askDaemon(ctx, "drain", order{}, nil)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "give up after `DURATION`, such as 10m; 0 for never")
	return cmd
}
