package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

type deadliner interface{ SetDeadline(time.Time) error }

type socket struct {
	net.Listener
	deadline deadliner
	mu       sync.Mutex
	lent     *lent      // nil when no server has it
	stray    []net.Conn // accepted for a server that just gave the socket back; the next one serves them
}

func (s *socket) inUse() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lent != nil
}

func (s *socket) close() {
	s.Listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.stray {
		c.Close()
	}
	s.stray = nil
}

func (s *socket) lend() (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lent != nil {
		return nil, fmt.Errorf("cannot listen on %s: another component of this configuration does: %w", s.Addr(), syscall.EADDRINUSE)
	}
	if err := s.deadline.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	s.lent = &lent{socket: s, closed: make(chan struct{})}
	return s.lent, nil
}

func (s *socket) takeStray() net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.stray) == 0 {
		return nil
	}
	c := s.stray[0]
	s.stray = s.stray[1:]
	return c
}

func (s *socket) keepStray(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stray = append(s.stray, c)
	s.deadline.SetDeadline(time.Unix(1, 0)) // the next server may wait in Accept already
}

// lent is a socket lent to a server. Close wakes Accept by a deadline and leaves the socket open.
type lent struct {
	*socket
	once   sync.Once
	closed chan struct{}
}

func (l *lent) Accept() (net.Conn, error) {
	for {
		if c := l.takeStray(); c != nil {
			return c, nil
		}
		c, err := l.Listener.Accept()
		select {
		case <-l.closed:
			if c != nil {
				l.keepStray(c)
			}
			return nil, net.ErrClosed
		default:
		}
		if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			// The deadline set by the previous server's Close, or the wake-up for a stray connection.
			if err := l.deadline.SetDeadline(time.Time{}); err != nil {
				return nil, err
			}
			continue
		}
		return c, err
	}
}

func (l *lent) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.deadline.SetDeadline(time.Unix(1, 0))
		l.mu.Lock()
		l.socket.lent = nil
		l.mu.Unlock()
	})
	return nil
}
