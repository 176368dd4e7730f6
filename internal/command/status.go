package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func (c *cli) status() *cobra.Command {
	addr, json := "", false
	cmd := &cobra.Command{
		Use: "status", Short: "ask the running daemon how it is: a line for each component and signal", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			at := addr
			if at == "" {
				cfg, _, err := c.load(cmd.Context())
				if err != nil {
					return fmt.Errorf("cannot find the daemon's address in the configuration; name it with --addr HOST:PORT: %w", err)
				}
				if at = cfg.Service.MetricsEndpoint; at == "" {
					return errors.New("the configuration serves no metrics endpoint (service::telemetry::metrics), which has the status; name another one with --addr HOST:PORT")
				}
			}
			accept := "text/plain"
			if json {
				accept = "application/json"
			}
			return c.askStatus(cmd.Context(), at, accept)
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "", "`HOST:PORT` of the metrics endpoint (default: that of the configuration, 127.0.0.1:8888 for sluice)")
	cmd.Flags().BoolVar(&json, "json", false, "print JSON")
	return cmd
}

func (c *cli) askStatus(ctx context.Context, addr, accept string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("--addr is %q; write HOST:PORT, as in 127.0.0.1:8888", addr)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/status", nil)
	if err != nil {
		return fmt.Errorf("--addr is %q; write HOST:PORT, as in 127.0.0.1:8888", addr)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no daemon answers; is it running, and is its metrics endpoint at %s? --addr names another one: %w", addr, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: it is no metrics endpoint of this version; name another one with --addr", addr, resp.Status)
	}
	_, err = io.Copy(c.out, resp.Body)
	return err
}
