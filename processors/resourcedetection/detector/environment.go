package detector

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// environment reads OTEL_RESOURCE_ATTRIBUTES: key=value,key=value, with values in percent encoding.
// https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable
type environment struct{}

// Detect gives all pairs, or none where one is wrong. The error does not show the text, which may hold secrets.
func (environment) Detect(context.Context) (Attributes, error) {
	text := strings.TrimSpace(os.Getenv("OTEL_RESOURCE_ATTRIBUTES"))
	if text == "" {
		text = strings.TrimSpace(os.Getenv("OTEL_RESOURCE"))
	}
	if text == "" {
		return nil, nil
	}
	found := Attributes{}
	for i, pair := range strings.Split(strings.TrimSuffix(text, ","), ",") {
		key, value, ok := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" {
			return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: pair %d is not key=value", i+1)
		}
		value, err := url.QueryUnescape(value)
		if err != nil {
			return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: the value of %s is not in percent encoding", key)
		}
		found[strings.ToValidUTF8(key, "\uFFFD")] = strings.ToValidUTF8(value, "\uFFFD")
	}
	return found, nil
}
