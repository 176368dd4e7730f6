package read

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap/xconfmap"
)

// Redacted replaces secrets, as in configopaque.
const Redacted = "[REDACTED]"

// minSecret is the shortest text that is redacted; shorter ones occur in ordinary words.
const minSecret = 4

// saysWhere reports whether a key names the place of a secret, not the secret.
func saysWhere(key string) bool {
	for _, end := range []string{"file", "path", "url", "endpoint", "env", "type", "interval", "header", "name"} {
		if strings.HasSuffix(Normal(key), end) {
			return true
		}
	}
	return false
}

// IsSecretName reports whether a key looks like that of a secret.
func IsSecretName(key string) bool {
	if saysWhere(key) {
		return false
	}
	k := Normal(key)
	for _, part := range []string{
		"password", "passwd", "passphrase", "secret", "token", "credential", "apikey", "accesskey", "privatekey",
		"authorization", "bearer", "cookie", "connectionstring", "keypem",
	} {
		if strings.Contains(k, part) {
			return true
		}
	}
	return false
}

// Normal ignores case, dashes, underscores and dots.
func Normal(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(name))
}

// Secrecy decides whether a value may be shown.
type Secrecy struct {
	Shape Shape
	named bool // a key above has a secret name
}

func (s Secrecy) Child(key string) Secrecy {
	below, _ := s.Shape.Child(key)
	named := (s.named && !saysWhere(key)) || IsSecretName(key)
	if s.Shape.secret && key == "name" {
		below.secret = false // of a configopaque.Pair
	}
	return Secrecy{below, named}
}

func (s Secrecy) Hides() bool { return s.Shape.secret || s.named }

func secretsOf(value any, s Secrecy) []string {
	switch v := value.(type) {
	case map[string]any:
		var list []string
		for key, below := range v {
			list = append(list, secretsOf(below, s.Child(key))...)
		}
		return list
	case []any:
		var list []string
		for i, below := range v {
			list = append(list, secretsOf(below, s.Child(fmt.Sprint(i)))...)
		}
		return list
	case xconfmap.ExpandedValue:
		list := secretsOf(v.Value, s)
		if s.Hides() {
			list = append(list, v.Original)
		}
		return list
	case nil, bool:
		return nil
	case string:
		if s.Hides() {
			return []string{v}
		}
		return SecretsIn(v)
	default:
		if s.Hides() {
			return []string{fmt.Sprint(v)}
		}
		return nil
	}
}

// SecretsIn lists the secrets in a URL as written: the password, and query parameters with the name of a secret.
func SecretsIn(text string) []string {
	_, rest, found := strings.Cut(text, "://")
	if !found {
		return nil
	}
	var list []string
	if u, err := url.Parse(text); err == nil && u.User != nil {
		user, _, _ := strings.Cut(rest, "@")
		if _, password, _ := strings.Cut(user, ":"); password != "" {
			list = append(list, password)
		}
	}
	_, query, _ := strings.Cut(rest, "?")
	query, _, _ = strings.Cut(query, "#")
	for pair := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(pair, "="); value != "" && IsSecretName(name) {
			list = append(list, value)
		}
	}
	return list
}

// Redactor replaces secrets, the longest first, as they are and as %q writes them.
func Redactor(secrets []string) *strings.Replacer {
	var pairs []string
	slices.SortFunc(secrets, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	for _, s := range slices.Compact(secrets) {
		if len(s) < minSecret {
			continue
		}
		pairs = append(pairs, s, Redacted)
		if quoted := fmt.Sprintf("%q", s); quoted[1:len(quoted)-1] != s {
			pairs = append(pairs, quoted[1:len(quoted)-1], Redacted)
		}
	}
	return strings.NewReplacer(pairs...)
}
