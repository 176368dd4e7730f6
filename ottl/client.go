package ottl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/ottl/syntax"
)

// client is what is known of who sent the request.
type client struct {
	address  string
	metadata []byte // KeyValueList body: lists of values by header, in lower case
}

// From says who sent the request: the address, and the headers as pipeline.Metadata. Both may be empty.
func (r *Run) From(address, metadata string) {
	r.record.client = client{address: address}
	if metadata != "" {
		r.record.client.metadata = []byte(metadata)
	}
}

// clientUse is which headers of requests are asked for.
type clientUse struct{ keys []string }

// Paths of ours, as from_context of the Collector's processors has them: the values of a header as one text, and the
// client's address without its port.
const (
	joinedPath = "otelcol.client.metadata.joined"
	hostPath   = "otelcol.client.addr.host"
)

// HostOf is an address without its port.
func HostOf(address string) string {
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		address = address[:i]
	}
	return strings.Trim(address, "[]")
}

// FromContext is the path of what from_context names in the Collector's processors, or what is wrong with the name.
func FromContext(name string) (path, fault string) {
	header, ok := strings.CutPrefix(name, "metadata.")
	switch {
	case ok && header != "":
		return joinedPath + "[" + strconv.Quote(header) + "]", ""
	case name == "client.address":
		return hostPath, ""
	case strings.HasPrefix(name, "auth."):
		return "", fmt.Sprintf("%q is never known, since no authenticator is hosted; remove the action", name)
	case ok || strings.ContainsAny(name, " \t"):
		return "", fmt.Sprintf("%q is not known; write metadata.HEADER or client.address", name)
	}
	return joinedPath + "[" + strconv.Quote(name) + "]", "" // a header without the prefix, as in the Collector
}

// clientPath is a path of the context otelcol, which is reached from every context.
func (c *compiler) clientPath(p *syntax.Path) place {
	var names []string
	var keys []syntax.Expr
	for _, s := range p.Segments {
		names, keys = append(names, s.Name), append(keys, s.Keys...)
	}
	name := strings.Join(names, ".")
	pl := nowhere
	pl.fixed = name + " can only be read"
	switch {
	case (name == "otelcol.client.addr" || name == hostPath) && len(keys) == 0:
		pl.get = func(r *record) (value, error) {
			text := r.client.address
			if name == hostPath {
				text = HostOf(text)
			}
			if text == "" {
				return value{}, nil
			}
			mark := len(r.arena)
			return textValue(r.keep(append(r.arena, text...), mark)), nil
		}
	case name == "otelcol.client.metadata", name == "otelcol.grpc.metadata", name == joinedPath:
		path := c.keys(keys)
		if len(path) == 0 || path[0].literal != kindString {
			c.fault(p.At(), `name the header as a text: %s["x-tenant"]`, name)
			break
		}
		first := &path[0]
		first.text = strings.ToLower(first.text)
		first.raw = []byte(first.text)
		if !slices.Contains(c.client.keys, first.text) {
			c.client.keys = append(c.client.keys, first.text)
		}
		pl.get = func(r *record) (value, error) { return r.into(mapValue(r.client.metadata), path) }
		if name == joinedPath {
			pl.get = func(r *record) (value, error) { return r.headerText(first.raw), nil }
		}
	default:
		c.fault(p.At(), `the path %s is not supported; write otelcol.client.metadata["x-tenant"] or otelcol.client.addr`, name)
	}
	return pl
}

// headerText is the values of a header as one text; nil without any.
func (r *record) headerText(header []byte) value {
	w, ok := mapValue(r.client.metadata).get(header)
	if !ok {
		return value{}
	}
	mark, out := len(r.arena), r.arena
	for list := fromWire(w).elements(); list.Next(); {
		if len(out) > mark {
			out = append(out, ';')
		}
		out = append(out, list.Value().Str()...)
	}
	return textValue(r.keep(out, mark))
}
