package logql

import "strconv"

// extractJSON makes a label of each wanted field that the line has. An object or an array gives its JSON text.
func extractJSON(r *Row, extract []Extraction) {
	for i := range extract {
		j := jsonReader{s: r.Line}
		j.space()
		if !j.at('{') && !j.at('[') {
			r.fail(ParserError, errNoObject.Error())
			return
		}
		raw, err := j.find(extract[i].path)
		if err == nil {
			raw, err = plain(raw)
		}
		if err != nil {
			r.fail(ParserError, err.Error())
			return
		}
		if raw != "null" {
			r.addParsed(extract[i].Label, raw)
		}
	}
}

// find returns the raw value under a path, empty when there is none. It reads the rest of the value, too, so that a
// line that is not JSON is told from one that lacks the field.
func (j *jsonReader) find(path []string) (string, error) {
	if len(path) == 0 {
		return j.value()
	}
	var found string
	step := func(hit bool) error {
		var v string
		var err error
		if hit && found == "" {
			v, err = j.find(path[1:])
			found = v
		} else {
			_, err = j.value()
		}
		return err
	}
	var err error
	switch {
	case j.at('{'):
		err = j.fields(func(key string) error { return step(key == path[0]) })
	case j.at('['):
		err = j.array(func(i int) error { return step(strconv.Itoa(i) == path[0]) })
	default:
		_, err = j.value()
	}
	return found, err
}
