package config

import (
	"net"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

// A listener is a socket that the configuration asks for.
type listener struct {
	pipeline.Listening
	at     read.At
	unsaid bool // no file names it: if its port is taken, it is left out
}

func (l *loader) listener(unsaid bool, s pipeline.Listening, path ...string) listener {
	return listener{s, l.Tree.At(path...), unsaid}
}

// listeners are those of everything that runs.
func (l *loader) listeners() (all []listener) {
	for _, kind := range []pipeline.Kind{pipeline.KindReceiver, pipeline.KindExporter} {
		for _, d := range l.declared[kind] {
			user, is := d.Config.(pipeline.ListenUser)
			if !is || !d.used || d.faulty {
				continue
			}
			for _, s := range user.Listens() {
				all = append(all, l.listener(d.Embedded, s, append([]string{sectionOf(kind), d.spelled}, strings.Split(s.Key, "::")...)...))
			}
		}
	}
	for _, d := range l.extensions {
		address := ""
		switch keys := d.Config.(type) {
		case *healthKeys:
			address = keys.Endpoint
		case *profileKeys:
			address = keys.Endpoint
		}
		if address != "" && d.used && !d.faulty {
			all = append(all, l.listener(d.Embedded, pipeline.Listening{Network: "tcp", Address: address}, "extensions", d.spelled, "endpoint"))
		}
	}
	if s := l.cfg.Service; s.MetricsEndpoint != "" {
		own := l.listener(s.MetricsEmbedded, pipeline.Listening{Network: "tcp", Address: s.MetricsEndpoint}, l.metricsKey...)
		all = append(all, own)
	}
	return all
}

// checkPorts reports two listeners on one port, which only the start would find.
func (l *loader) checkPorts() {
	all := l.listeners()
	for i, b := range all {
		for _, a := range all[:i] {
			if !meet(a.Listening, b.Listening) {
				continue
			}
			if a.unsaid && !b.unsaid {
				a, b = b, a
			}
			first := strings.Join(a.at.Path, "::") + " (" + a.at.Place.String() + ")"
			if b.unsaid {
				l.Warn(b.at, "%s is the default here, and taken by %s; nothing listens there for this one, so name another port", b.Address, first)
			} else {
				l.Fault(b.at, "%s is taken by %s, which has %s; write another address in one of them", b.Address, first, a.Address)
			}
			break
		}
	}
}

// meet reports whether only one of two sockets can be opened. Names other than localhost are not looked up.
func meet(a, b pipeline.Listening) bool {
	if !strings.HasPrefix(a.Network, "tcp") || !strings.HasPrefix(b.Network, "tcp") {
		return a.Network == b.Network && a.Address == b.Address
	}
	x, port, err := net.SplitHostPort(a.Address)
	y, other, wrong := net.SplitHostPort(b.Address)
	if err != nil || wrong != nil || port != other || port == "0" {
		return false
	}
	if x = host(x); x == "" || x == host(y) {
		return true
	}
	y = host(y)
	const four = "0.0.0.0" // all addresses of IPv4; without a host it is those of both
	return y == "" || x == four && !strings.Contains(y, ":") || y == four && !strings.Contains(x, ":")
}

// host is what a host of an endpoint means to the kernel.
func host(name string) string {
	switch ip := net.ParseIP(name); {
	case name == "localhost":
		return "127.0.0.1"
	case ip == nil:
		return name
	case ip.Equal(net.IPv6unspecified):
		return ""
	default:
		return ip.String()
	}
}
