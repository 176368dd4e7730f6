package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Listeners keeps the process' listening sockets across graphs, and the HTTP servers on them with their
// connections: a reload closes none that the new graph wants again. Clients that connect meanwhile wait in the
// kernel's queue, requests on open connections wait in their server.
type Listeners struct {
	mu        sync.Mutex
	open      map[string]*socket
	sites     map[string]*site // those on a socket of open, by the same key
	reloading bool             // servers that are given back wait for the next graph
}

// NewListeners has none open.
func NewListeners() *Listeners {
	return &Listeners{open: map[string]*socket{}, sites: map[string]*site{}}
}

// ErrLeftOut is what Listen answers a component whose section is the embedded default's, when the port is
// taken: the component goes on without it, and the reason is in the log.
var ErrLeftOut = errors.New("left out: the address of the embedded default is taken")

// Listen opens a listener, or hands over the socket that an earlier graph had.
func (l *Listeners) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := network + " " + address
	if s, ok := l.open[key]; ok {
		if w, ok := l.sites[key]; ok && w.idle() {
			l.retire(w)
		}
		return s.lease()
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, network, address)
	if errors.Is(err, syscall.EADDRINUSE) && l.closeIdle(address) {
		ln, err = (&net.ListenConfig{}).Listen(ctx, network, address)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	d, ok := ln.(deadliner)
	if !ok || strings.HasSuffix(address, ":0") {
		return ln, nil // a port of the kernel's choice belongs to whoever asked
	}
	s := &socket{Listener: ln, deadline: d}
	l.open[key] = s
	return s.lease()
}

// serve lends the server that an earlier graph left on the address, or opens one with listen.
func (l *Listeners) serve(ctx context.Context, listen ListenFunc, h HTTP) (*Serving, error) {
	key := h.Network + " " + h.Address
	l.mu.Lock()
	if s, ok := l.sites[key]; ok && s.spec.sameTerms(h) {
		if v := s.lend(h); v != nil {
			l.mu.Unlock()
			return v, nil
		}
	}
	l.mu.Unlock()
	ln, err := listen(ctx, h.Network, h.Address)
	if err != nil {
		return nil, err
	}
	s, v := newSite(l, key, ln, h)
	if _, ok := ln.(*lease); ok {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sites[key] = s
	}
	return v, nil
}

// hold begins a reload: until Sweep, servers that are given back stay open.
func (l *Listeners) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reloading = true
}

// keeps tells whether s stays open when its component gives it back.
func (l *Listeners) keeps(s *site) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reloading && l.sites[s.key] == s
}

func (l *Listeners) forget(s *site) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sites[s.key] == s {
		delete(l.sites, s.key)
	}
}

// retire ends a server; its socket is free then. The mutex is held.
func (l *Listeners) retire(s *site) {
	delete(l.sites, s.key)
	s.retire()
}

// forInstance is Listen for one component: a port that a file names is fatal when taken, one that only the
// embedded default names is reported and left out.
func (l *Listeners) forInstance(log *slog.Logger, in Instance) ListenFunc {
	return func(ctx context.Context, network, address string) (net.Listener, error) {
		ln, err := l.Listen(ctx, network, address)
		if errors.Is(err, syscall.EADDRINUSE) {
			if in.Embedded {
				log.Warn("port taken; left out", "address", address, "fix", "free the port, or name another one in a --config file")
				return nil, ErrLeftOut
			}
			return nil, fmt.Errorf("%s: %w; free the port or name another one", in.Place, err)
		}
		return ln, err
	}
}

// closeIdle closes the sockets that an earlier graph had on the port of address and nobody uses now: after
// 127.0.0.1:4317 became 0.0.0.0:4317 in the file, we must not be in our own way.
func (l *Listeners) closeIdle(address string) (closed bool) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	for key, s := range l.open {
		_, has, err := net.SplitHostPort(s.Addr().String())
		if err != nil || has != port {
			continue
		}
		if w, ok := l.sites[key]; ok && w.idle() {
			l.retire(w)
		}
		if !s.inUse() {
			s.close()
			delete(l.open, key)
			closed = true
		}
	}
	return closed
}

// Sweep closes the servers and sockets that nobody uses, after a reload.
func (l *Listeners) Sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reloading = false
	for _, w := range l.sites {
		if w.idle() {
			l.retire(w)
		}
	}
	for key, s := range l.open {
		if !s.inUse() {
			s.close()
			delete(l.open, key)
		}
	}
}

// Close closes all servers and sockets.
func (l *Listeners) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reloading = false
	for _, w := range l.sites {
		l.retire(w)
	}
	for key, s := range l.open {
		s.close()
		delete(l.open, key)
	}
}

type deadliner interface{ SetDeadline(time.Time) error }

// socket is a listening socket that is lent to one server after the other.
type socket struct {
	net.Listener
	deadline deadliner
	mu       sync.Mutex
	lent     *lease
	stray    []net.Conn // accepted by a lease that was just closed; the next lease serves them
}

func (s *socket) inUse() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lent != nil
}

// close ends the socket, and the connections that nobody will serve any more.
func (s *socket) close() {
	s.Listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.stray {
		c.Close()
	}
	s.stray = nil
}

func (s *socket) lease() (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lent != nil {
		return nil, fmt.Errorf("cannot listen on %s: another component of this configuration does: %w", s.Addr(), syscall.EADDRINUSE)
	}
	if err := s.deadline.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	s.lent = &lease{socket: s, closed: make(chan struct{})}
	return s.lent, nil
}

// lease is a socket in the hands of one server. Close wakes Accept by a deadline and leaves the socket open.
type lease struct {
	*socket
	once   sync.Once
	closed chan struct{}
}

func (l *lease) Accept() (net.Conn, error) {
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
			// The deadline of a lease before this one, or a stray connection's call.
			if err := l.deadline.SetDeadline(time.Time{}); err != nil {
				return nil, err
			}
			continue
		}
		return c, err
	}
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
	s.deadline.SetDeadline(time.Unix(1, 0)) // a next lease may wait in Accept already
}

func (l *lease) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.deadline.SetDeadline(time.Unix(1, 0))
		l.mu.Lock()
		l.lent = nil
		l.mu.Unlock()
	})
	return nil
}

// CheckAddress says whether text is a host:port to listen on or to ask, and if not, what to write.
func CheckAddress(text, example string) error {
	_, port, err := net.SplitHostPort(text)
	n, notNumber := strconv.Atoi(port)
	if err != nil || notNumber != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q is not host:port; write for example %s", text, example)
	}
	return nil
}
