// Package listen keeps listening sockets and HTTP servers with their connections across reloads. Listeners owns
// them and lends them to a graph.
//
// Read listeners.go first, then socket.go (a lent socket), serving.go (a component's hold on a server), site.go (a
// lent server) and fore.go (http1 in front of it).
package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Listeners keeps sockets, and HTTP servers with their connections, across graphs. During a reload new connections
// wait in the kernel's queue, and requests on open ones in their server.
type Listeners struct {
	mu        sync.Mutex
	open      map[string]*socket
	sites     map[string]*site // those on a socket of open, by the same key
	reloading bool             // servers that are given back wait for the next graph
}

// New makes an empty Listeners.
func New() *Listeners {
	return &Listeners{open: map[string]*socket{}, sites: map[string]*site{}}
}

// Func opens a stream listener, or returns the one that the previous graph had on the address. Closing it ends
// Accept; the socket stays open for the next graph.
type Func func(ctx context.Context, network, address string) (net.Listener, error)

// ErrLeftOut is returned by a Func of For when the port of an embedded section is taken. The component goes on
// without it; the reason is logged.
var ErrLeftOut = errors.New("left out: the address of the embedded default is taken")

// Listen opens a listener, or lends the socket of an earlier graph.
func (l *Listeners) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := network + " " + address
	if s, ok := l.open[key]; ok {
		if site, ok := l.sites[key]; ok && site.idle() {
			l.retire(site)
		}
		return s.lend()
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, network, address)
	if errors.Is(err, syscall.EADDRINUSE) && (l.closeIdle(address) || removeStale(ctx, network, address)) {
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
	return s.lend()
}

// Serve serves h, on the connections of an earlier graph if the terms are the same, else on a listener from open.
// Server errors go to log.
func (l *Listeners) Serve(ctx context.Context, log *slog.Logger, open Func, h HTTP) (*Serving, error) {
	h.log = log
	key := h.Network + " " + h.Address
	l.mu.Lock()
	if s, ok := l.sites[key]; ok && s.spec.sameTerms(h) {
		if v := s.lend(h); v != nil {
			l.mu.Unlock()
			return v, nil
		}
	}
	l.mu.Unlock()
	ln, err := open(ctx, h.Network, h.Address)
	if err != nil {
		return nil, err
	}
	s, v := newSite(l, key, ln, h)
	if _, ok := ln.(*lent); ok {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sites[key] = s
	}
	return v, nil
}

// Hold begins a reload: until Sweep, returned servers stay open.
func (l *Listeners) Hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reloading = true
}

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

func (l *Listeners) retire(s *site) {
	delete(l.sites, s.key)
	s.retire()
}

// For is Listen for the component whose section is at place. A taken port is an error if a file names it; if only
// the embedded default does, it is logged and left out.
func (l *Listeners) For(log *slog.Logger, place string, embedded bool) Func {
	return func(ctx context.Context, network, address string) (net.Listener, error) {
		ln, err := l.Listen(ctx, network, address)
		if errors.Is(err, syscall.EADDRINUSE) {
			if embedded {
				log.Warn("another process uses the port; nothing listens there", "address", address, "fix", "free the port, or set another one in a --config file")
				return nil, ErrLeftOut
			}
			return nil, fmt.Errorf("%s: %w; free the port or name another one", place, err)
		}
		return ln, err
	}
}

// removeStale removes the file of a Unix socket that nobody serves, left by a killed process: the kernel would call
// the address taken.
func removeStale(ctx context.Context, network, address string) bool {
	if !strings.HasPrefix(network, "unix") {
		return false
	}
	if info, err := os.Lstat(address); err != nil || info.Mode()&os.ModeSocket == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		c.Close()
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED) && os.Remove(address) == nil
}

// closeIdle closes unused sockets of earlier graphs on the same port, so that 127.0.0.1:4317 can become
// 0.0.0.0:4317.
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
		if site, ok := l.sites[key]; ok && site.idle() {
			l.retire(site)
		}
		if !s.inUse() {
			s.close()
			delete(l.open, key)
			closed = true
		}
	}
	return closed
}

// Sweep ends a reload: it closes unused servers and sockets.
func (l *Listeners) Sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reloading = false
	for _, site := range l.sites {
		if site.idle() {
			l.retire(site)
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
	for _, site := range l.sites {
		l.retire(site)
	}
	for key, s := range l.open {
		s.close()
		delete(l.open, key)
	}
}
