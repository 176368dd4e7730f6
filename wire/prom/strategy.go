package prom

import (
	"fmt"

	"github.com/prometheus/otlptranslator"
)

// Strategy is the key translation_strategy of the Collector's exporters: how names are made. Empty: unit and type are
// added to names as add_metric_suffixes says.
type Strategy string

// Check refuses strategies that keep characters which only newer scrapers understand.
func (s Strategy) Check() error {
	switch otlptranslator.TranslationStrategyOption(s) {
	case "", otlptranslator.UnderscoreEscapingWithSuffixes, otlptranslator.UnderscoreEscapingWithoutSuffixes:
		return nil
	}
	return fmt.Errorf(`"translation_strategy" is %q; write UnderscoreEscapingWithSuffixes or UnderscoreEscapingWithoutSuffixes, names with other characters are not supported`, string(s))
}

// Suffixes reports whether names get suffixes. A strategy counts more than add_metric_suffixes.
func (s Strategy) Suffixes(add bool) bool {
	if s == "" {
		return add
	}
	return otlptranslator.TranslationStrategyOption(s) == otlptranslator.UnderscoreEscapingWithSuffixes
}
