package logql

import (
	"errors"
	"strconv"
)

// extractJSON makes a label of each wanted field that the line has. An object or an array gives its JSON text. As in
// Loki, an empty line lacks every field, and of any other only the first byte and the values that are wanted have to be
// JSON: a line that was cut off still gives what stands before the cut.
func extractJSON(r *Row, extract []Extraction) {
	if r.Line == "" {
		return
	}
	if c := r.Line[0]; c != '{' && c != '[' && c != '"' {
		r.fail(ParserError, errNoJSON.Error())
		return
	}
	for i := range extract {
		j := jsonReader{s: r.Line}
		raw, ok, err := j.find(extract[i].path)
		if !ok || raw == "null" {
			continue
		}
		if err == nil {
			raw, err = plain(raw)
		}
		if err != nil {
			r.fail(ParserError, err.Error())
			continue
		}
		r.addParsed(extract[i].Label, raw)
	}
}

var (
	errNoJSON = errors.New("the line does not begin as JSON does")
	errFound  = errors.New("found") // ends the walk
)

// find returns the raw value under a path. An error with ok is that of the value; without, the line is not JSON where
// the value might have been.
func (j *jsonReader) find(path []string) (raw string, ok bool, err error) {
	if len(path) == 0 {
		raw, err = j.value()
		return raw, true, err
	}
	var wrong error // with the value
	step := func(hit bool) error {
		if !hit {
			_, err := j.value()
			return err
		}
		if raw, ok, wrong = j.find(path[1:]); ok {
			return errFound
		}
		return wrong
	}
	switch {
	case j.at('{'):
		err = j.fields(func(key string) error { return step(key == path[0]) })
	case j.at('['):
		err = j.array(func(i int) error { return step(strconv.Itoa(i) == path[0]) })
	default:
		_, err = j.value()
	}
	if ok {
		return raw, true, wrong
	}
	return "", false, err
}
