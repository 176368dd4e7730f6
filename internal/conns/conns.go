// Package conns has what servers with many connections share: accepting, waiting for bytes without a buffer
// (input.go), messages whose memory grows as they arrive (body.go), and goroutines that keep their stacks
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

// Accept accepts connections until stopping reports true, and then returns nil, or until ln is closed by others.
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
			// As in net/http: most likely out of file descriptors.
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			log.Warn("cannot accept a connection", "error", err, "wait", wait)
			time.Sleep(wait)
			continue
		}
		wait = 0
		start(nc)
	}
}

// Leave waits for open. When ctx ends it calls cut and waits on.
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
