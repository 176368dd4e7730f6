package redaction

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/grafana/clusterurl/pkg/clusterurl"

	"github.com/sluiceio/sluice/wire"
)

// URLSanitizer is the section url_sanitizer.
type URLSanitizer struct {
	Enabled bool `mapstructure:"enabled"`
	// Attributes are the keys whose values are URLs.
	Attributes []string `mapstructure:"attributes"`
	// SanitizeSpanName does it in names of client and server spans, too.
	SanitizeSpanName bool `mapstructure:"sanitize_span_name"`
}

// urls replaces what varies in a URL, such as ids, by *, so that there are few different ones.
type urls struct {
	cluster *clusterurl.ClusterURLClassifier // nil: nothing is to be done
	keys    keys
	names   bool
}

func newURLs(c *URLSanitizer) (u urls, err error) {
	if !c.Enabled {
		return u, nil
	}
	config := clusterurl.DefaultConfig()
	config.CacheSize = words
	if u.cluster, err = clusterurl.NewClusterURLClassifier(config); err != nil {
		return u, fmt.Errorf("BUG: the model of url_sanitizer: %w", err)
	}
	u.keys, u.names = newKeys(c.Attributes), c.SanitizeSpanName
	return u, nil
}

// clean is a URL without what varies. The result may be text itself.
func (u *urls) clean(text []byte) []byte {
	path := text
	if query := bytes.IndexAny(text, "?&#"); query >= 0 {
		path = text[:query+1] // the classifier cuts there, too
	}
	if len(path) > maxPath {
		return []byte("*")
	}
	if out := u.cluster.ClusterURL(string(path)); out != string(text) {
		return []byte(out)
	}
	return text
}

// The classifier remembers words, which may be as long as a path: at most 4 MiB.
const (
	words   = 1 << 10
	maxPath = 4 << 10
)

// These say that a span is of HTTP.
var httpKeys = []string{
	"http.route", "http.request.method", "http.request.method_original", "http.response.status_code", "url.full", "http.scheme", "http.target",
	"http.method", "http.url",
}

const (
	spanKindServer = 2
	spanKindClient = 3
)

// name cleans the name of a span that is of HTTP, or whose name may be a URL. As in the Collector, a name stays of which nothing
// but * would be left, and one that is allowed as a value.
func (r *run) name(it *wire.Item) {
	u := &r.policy.urls
	if u.cluster == nil || !u.names {
		return
	}
	name := it.FindBytes(wire.FieldSpanName)
	if kind, _ := it.FindNumber(wire.FieldSpanKind); kind != spanKindServer && kind != spanKindClient || r.policy.allowedValues.match(name) {
		return
	}
	has := func(key string) bool { _, ok := it.Attribute(key); return ok }
	if bytes.IndexByte(name, '/') < 0 && !slices.ContainsFunc(httpKeys, has) {
		return
	}
	out := u.clean(name)
	if len(out) == 0 || bytes.Equal(out, name) || onlyStars(out) {
		return
	}
	mark := len(r.arena)
	r.arena = wire.AppendBytes(r.arena, wire.FieldSpanName, out)
	it.SetField(r.made(mark))
	r.masks++
}

// onlyStars reports whether each segment is * or empty, and one is *.
func onlyStars(url []byte) bool {
	if bytes.IndexByte(url, '*') < 0 {
		return false
	}
	for segment := range bytes.SplitSeq(url, []byte{'/'}) {
		if len(segment) > 0 && string(segment) != "*" {
			return false
		}
	}
	return true
}
