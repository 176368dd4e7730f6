package delivery

import (
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/config/configopaque"
	"golang.org/x/net/http/httpguts"
)

// CheckHeaders validates the headers of HTTP requests: a fault would otherwise fail every request. No error has a value.
func CheckHeaders(headers configopaque.MapList) error {
	return checkHeaders(headers, func(name, value string) (validName, validValue bool) {
		return httpguts.ValidHeaderFieldName(name), httpguts.ValidHeaderFieldValue(value)
	})
}

// CheckMetadata validates headers as metadata of gRPC calls, which may have fewer characters
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
func CheckMetadata(headers configopaque.MapList) error {
	return checkHeaders(headers, func(name, value string) (validName, validValue bool) {
		name = strings.ToLower(name)
		validName = name != "" && !strings.HasPrefix(name, "grpc-") && strings.Trim(name, "0123456789abcdefghijklmnopqrstuvwxyz_-.") == ""
		validValue = strings.HasSuffix(name, "-bin") || !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
		return validName, validValue
	})
}

func checkHeaders(headers configopaque.MapList, valid func(name, value string) (validName, validValue bool)) error {
	errs := []error{headers.Validate()}
	for name, value := range headers.Iter {
		switch validName, validValue := valid(name, string(value)); {
		case !validName:
			errs = append(errs, fmt.Errorf("%q cannot be the name of a header", name))
		case !validValue:
			errs = append(errs, fmt.Errorf("the value of %q has a character that a header cannot have, such as a line break; look at the end of a file or variable it comes from", name))
		}
	}
	return errors.Join(errs...)
}
