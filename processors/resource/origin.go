package resource

import (
	"strings"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

const metadataPrefix = "metadata."

// replaceOf is Processor.replace with actions that copy from the request. Its results are not cached: they are the request's.
func replaceOf(actions []action, from pipeline.Origin) func(dst, resource []byte) ([]byte, bool) {
	var own []action
	for _, a := range actions {
		if a.context != "" {
			text := ottl.HostOf(from.Peer)
			if header, is := strings.CutPrefix(a.context, metadataPrefix); is {
				text = strings.Join(from.Metadata.Values(strings.ToLower(header)), ";")
			}
			if text == "" {
				continue
			}
			a.value = wire.AppendStringAttribute(nil, wire.FieldResourceAttributes, string(a.key), text)
		}
		own = append(own, a)
	}
	return func(dst, resource []byte) ([]byte, bool) {
		out, changed := edit(resource, own)
		return append(dst, out...), changed
	}
}
