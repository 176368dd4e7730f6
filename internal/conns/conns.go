// Package conns has what servers of many connections share: accepting them, waiting for bytes without a buffer
// (input.go), messages whose memory grows with what came of them (body.go), and goroutines that keep their stacks
// (workers.go).
package conns

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Accept takes connections from ln until stopping says so, and returns nil then, or until ln is closed by somebody else.
// start must not block.
func Accept(ln net.Listener, log *slog.Logger, stopping func() bool, start func(net.Conn)) error {
	wait := time.Duration(0)
	for {
		nc, err := ln.Accept()
		if err != nil {
			if stopping() {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			// As in net/http: out of file descriptors, most likely.
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			log.Warn("cannot accept a connection", "error", err, "wait", wait)
			time.Sleep(wait)
			continue
		}
		wait = 0
		start(nc)
	}
}

// Leave waits until all that is open is gone. At the end of ctx it cuts off what is left, and waits for that.
func Leave(ctx context.Context, open *sync.WaitGroup, cut func()) {
	gone := make(chan struct{})
	go func() {
		open.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-ctx.Done():
		cut()
		<-gone
	}
}
