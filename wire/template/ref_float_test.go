package template

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/value"
)

// parseFloatRef is the rule of Prometheus' parsers.
func parseFloatRef(s string) (uint64, error) {
	if strings.ContainsAny(s, "pP_") {
		return 0, errors.New("unsupported character in float")
	}
	f, err := strconv.ParseFloat(s, 64)
	if math.IsNaN(f) {
		return value.NormalNaN, err
	}
	return math.Float64bits(f), err
}
