package ottl

import (
	"fmt"
	"slices"
)

// ReadBlock reads a block of a configuration: a map with context, conditions, statements and error_mode. The faults
// name their place below at.
func ReadBlock(at string, m map[string]any, mode Mode) (Block, []error) {
	b := Block{Mode: mode}
	var errs []error
	for key, v := range m {
		if v == nil {
			continue
		}
		text, isText := v.(string)
		switch key {
		case "context":
			b.Context = text
		case "error_mode":
			var ok bool
			if b.Mode, ok = ParseMode(text); !ok {
				errs = append(errs, fmt.Errorf("%q is %v; write ignore, silent or propagate", at+".error_mode", v))
			}
			continue
		case "conditions":
			b.Conditions, errs = texts(at+"."+key, v, errs)
			continue
		case "statements":
			b.Statements, errs = texts(at+"."+key, v, errs)
			continue
		default:
			errs = append(errs, fmt.Errorf("%q: unknown key%s", at+"."+key,
				nearest(key, []string{"context", "conditions", "statements", "error_mode"})))
			continue
		}
		if !isText {
			errs = append(errs, fmt.Errorf("%q: write a text", at+"."+key))
		}
	}
	slices.SortFunc(errs, func(a, b error) int {
		if a.Error() < b.Error() {
			return -1
		}
		return 1
	})
	return b, errs
}

func texts(at string, v any, errs []error) ([]string, []error) {
	list, ok := v.([]any)
	if !ok {
		return nil, append(errs, fmt.Errorf("%q: write a list of texts", at))
	}
	var out []string
	for i, e := range list {
		s, ok := e.(string)
		if !ok {
			errs = append(errs, fmt.Errorf("\"%s[%d]\": write a text", at, i))
		}
		out = append(out, s)
	}
	return out, errs
}
