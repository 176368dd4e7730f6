package config

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap/xconfmap"
)

// redacted is what stands for a secret, as configopaque prints it.
const redacted = "[REDACTED]"

// minSecret is the shortest text that is looked for in findings; shorter ones would blot out ordinary words.
const minSecret = 4

// saysWhere reports whether a key names the place or the kind of a secret and not the secret.
func saysWhere(key string) bool {
	for _, end := range []string{"file", "path", "url", "endpoint", "env", "type", "interval", "header", "name"} {
		if strings.HasSuffix(normal(key), end) {
			return true
		}
	}
	return false
}

// isSecretName reports whether a key by its name holds a secret.
func isSecretName(key string) bool {
	if saysWhere(key) {
		return false
	}
	k := normal(key)
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

// normal is a name without what people vary: case, dashes, underscores.
func normal(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(name))
}

// secrecy decides for one place whether its value may be shown.
type secrecy struct {
	shape shape
	named bool // a key above has a secret name
}

func (s secrecy) child(key string) secrecy {
	below, _ := s.shape.child(key)
	named := (s.named && !saysWhere(key)) || isSecretName(key)
	if s.shape.secret && key == "name" {
		below.secret = false // of a configopaque.Pair
	}
	return secrecy{below, named}
}

func (s secrecy) hides() bool { return s.shape.secret || s.named }

// secretsOf lists the secret texts in a value, so that no finding repeats one.
func secretsOf(value any, s secrecy) []string {
	switch v := value.(type) {
	case map[string]any:
		var list []string
		for key, below := range v {
			list = append(list, secretsOf(below, s.child(key))...)
		}
		return list
	case []any:
		var list []string
		for i, below := range v {
			list = append(list, secretsOf(below, s.child(fmt.Sprint(i)))...)
		}
		return list
	case xconfmap.ExpandedValue:
		list := secretsOf(v.Value, s)
		if s.hides() {
			list = append(list, v.Original)
		}
		return list
	case nil, bool:
		return nil
	case string:
		if s.hides() {
			return []string{v}
		}
		if p := passwordOf(v); p != "" {
			return []string{p}
		}
		return nil
	default:
		if s.hides() {
			return []string{fmt.Sprint(v)}
		}
		return nil
	}
}

// passwordOf is the password of a URL that carries one.
func passwordOf(text string) string {
	if !strings.Contains(text, "://") || !strings.Contains(text, "@") {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return ""
	}
	_, rest, _ := strings.Cut(text, "://")
	user, _, _ := strings.Cut(rest, "@")
	_, password, _ := strings.Cut(user, ":")
	return password
}

// redactor replaces secrets, the longest first, as they are and as %q writes them.
func redactor(secrets []string) *strings.Replacer {
	var pairs []string
	slices.SortFunc(secrets, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	for _, s := range slices.Compact(secrets) {
		if len(s) < minSecret {
			continue
		}
		pairs = append(pairs, s, redacted)
		if quoted := fmt.Sprintf("%q", s); quoted[1:len(quoted)-1] != s {
			pairs = append(pairs, quoted[1:len(quoted)-1], redacted)
		}
	}
	return strings.NewReplacer(pairs...)
}
