package redaction

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's redaction processor, and Rules.
type Config struct {
	// AllowAllKeys keeps all keys; without it, keys that are not in AllowedKeys are removed.
	AllowAllKeys bool `mapstructure:"allow_all_keys"`
	// AllowedKeys are kept. An empty list keeps none.
	AllowedKeys []string `mapstructure:"allowed_keys"`
	// IgnoredKeys and IgnoredKeyPatterns (regular expressions) pass as they came.
	IgnoredKeys        []string `mapstructure:"ignored_keys"`
	IgnoredKeyPatterns []string `mapstructure:"ignored_key_patterns"`
	// BlockedKeyPatterns are regular expressions for keys whose whole value is masked.
	BlockedKeyPatterns []string `mapstructure:"blocked_key_patterns"`
	// BlockedValues are regular expressions; what matches in a value is masked.
	BlockedValues []string `mapstructure:"blocked_values"`
	// AllowedValues are regular expressions; a value that matches is never masked.
	AllowedValues []string `mapstructure:"allowed_values"`
	// RedactAllTypes masks in values that are no strings, too, by their text.
	RedactAllTypes bool `mapstructure:"redact_all_types"`
	// HashFunction is md5, sha1, sha3, hmac-sha256 or hmac-sha512: a mask is then the hash of what it hides.
	HashFunction string `mapstructure:"hash_function"`
	// HMACKey is the secret of the hmac functions.
	HMACKey configopaque.String `mapstructure:"hmac_key"`
	// Summary says what was done in attributes: debug (keys and counts), info (counts) or silent.
	Summary string `mapstructure:"summary"`
	// URLSanitizer replaces what varies in URLs by *.
	URLSanitizer URLSanitizer `mapstructure:"url_sanitizer"`
	// Rules are ready-made detectors by name, for values: see README.md.
	Rules []string `mapstructure:"rules"`
}

// Default removes every attribute, as in the Collector.
func Default() *Config { return &Config{URLSanitizer: URLSanitizer{SanitizeSpanName: true}} }

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for _, list := range []struct {
		key      string
		patterns []string
	}{
		{"ignored_key_patterns", c.IgnoredKeyPatterns}, {"blocked_key_patterns", c.BlockedKeyPatterns},
		{"blocked_values", c.BlockedValues}, {"allowed_values", c.AllowedValues},
	} {
		for i, p := range list.patterns {
			_, err := regexp.Compile(p)
			fault(err != nil, `"%s[%d]" is no regular expression: %w`, list.key, i, err)
		}
	}
	function := strings.ToLower(c.HashFunction)
	h, known := hashes[function]
	fault(!known, `"hash_function" is %q; write md5, sha1, sha3, hmac-sha256 or hmac-sha512, or leave it out`, c.HashFunction)
	fault(known && len(c.HMACKey) < h.least, `"hmac_key" has %d bytes; %s needs at least %d`, len(c.HMACKey), function, h.least)
	fault(!slices.Contains([]string{"", "silent", "info", "debug"}, c.Summary), `"summary" is %q; write debug, info or silent`, c.Summary)
	for i, name := range c.Rules {
		fault(ruleNamed(name) == nil, `"rules[%d]" is %q; write one of %s`, i, name, strings.Join(ruleNames(), ", "))
		fault(slices.Contains(c.Rules[:i], name), `"rules[%d]" is %q again; remove it`, i, name)
	}
	return errors.Join(errs...)
}

// Warnings reports what is valid and probably not intended.
func (c *Config) Warnings() (all []string) {
	if !c.AllowAllKeys && len(c.AllowedKeys) == 0 {
		all = append(all, "allow_all_keys: is false and allowed_keys is empty, so all attributes are removed, those of resources too; write allow_all_keys: true, or name the keys that may stay")
	}
	for _, list := range []struct {
		key   string
		names []string
		fix   string
	}{{"allowed_keys", c.AllowedKeys, "name each key"}, {"ignored_keys", c.IgnoredKeys, "move it to ignored_key_patterns"}} {
		for i, name := range list.names {
			if strings.ContainsAny(name, `\*^$|+()[]`) {
				all = append(all, fmt.Sprintf("%s::%d: %q looks like a regular expression, and is compared as it stands; %s", list.key, i, name, list.fix))
			}
		}
	}
	return all
}

// Component describes the processor.
func Component() pipeline.Component {
	return pipeline.Processor("redaction", Default, New, pipeline.Signals[:]...).
		WithDoc("removes attributes that are not allowed, and masks values by key, pattern or ready-made rule").
		WithUnsupported(map[string]string{"db_sanitizer": "mask with blocked_values, or with transform and replace_pattern"})
}
