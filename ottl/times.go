package ottl

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors of text do not show it: they are logged and answered, and it may be a secret.
var (
	errNotTime     = errors.New("the text is not a time of this format")
	errNotDuration = errors.New(`the text is not a duration, such as "1h30m"`)
	errTimeRange   = errors.New("the time is outside of the years 1678 to 2261")
)

// madeTime is a time in nanoseconds since 1970, in which not every time fits.
func madeTime(t time.Time) (value, error) {
	if y := t.Year(); y < 1678 || y > 2261 {
		return value{}, errTimeRange
	}
	return timeValue(t), nil
}

func unix(c call) getter {
	seconds, ns := c.args[0].expression, c.args[1]
	return func(r *record) (value, error) {
		s, err := seconds.integer(r)
		if err != nil {
			return value{}, err
		}
		n := int64(0)
		if ns.given {
			if n, err = ns.integer(r); err != nil {
				return value{}, err
			}
		}
		return madeTime(time.Unix(s, n))
	}
}

func since(unit int64) func(call) getter {
	return func(c call) getter {
		x := c.args[0].expression
		return func(r *record) (value, error) {
			v, err := x.get(r)
			if err == nil {
				err = v.must(kindTime)
			}
			n := v.int() / unit
			if v.int()%unit < 0 {
				n-- // as time.Unix, which rounds down
			}
			return intValue(n), err
		}
	}
}

func duration(c call) getter {
	x := c.args[0].expression
	return func(r *record) (value, error) {
		b, err := x.str(r)
		if err != nil {
			return value{}, err
		}
		d, err := time.ParseDuration(string(b))
		if err != nil {
			return value{}, errNotDuration
		}
		return value{n: uint64(d), kind: kindDuration}, nil
	}
}

func inWhole(unit time.Duration) func(call) getter {
	return func(c call) getter {
		x := c.args[0].expression
		return func(r *record) (value, error) {
			v, err := x.get(r)
			if err == nil {
				err = v.must(kindDuration)
			}
			return intValue(v.int() / int64(unit)), err
		}
	}
}

func inDoubles(unit time.Duration) func(call) getter {
	return func(c call) getter {
		x := c.args[0].expression
		return func(r *record) (value, error) {
			v, err := x.get(r)
			if err == nil {
				err = v.must(kindDuration)
			}
			d := time.Duration(v.n)
			return doubleValue(float64(d/unit) + float64(d%unit)/float64(unit)), err
		}
	}
}

// directives of strptime as Go's layout.
var directives = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'o': "_1", 'q': "1", 'b': "Jan", 'h': "Jan", 'B': "January", 'd': "02", 'e': "_2",
	'g': "2", 'a': "Mon", 'A': "Monday", 'H': "15", 'l': "3", 'I': "03", 'p': "PM", 'P': "pm", 'M': "04", 'S': "05",
	'L': "999", 'f': "999999", 's': "999999999", 'Z': "MST", 'z': "Z0700", 'w': "-070000", 'i': "-07", 'j': "-07:00",
	'k': "-07:00:00", 'D': "01/02/2006", 'x': "01/02/2006", 'F': "2006-01-02", 'T': "15:04:05", 'X': "15:04:05",
	'r': "03:04:05 pm", 'R': "15:04", 'n': "\n", 't': "\t", '%': "%", 'c': "Mon Jan 02 15:04:05 2006",
}

func layoutOf(format string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		c := format[i]
		if c >= '0' && c <= '9' {
			return "", errors.New("a digit stands outside of a directive")
		}
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		i++
		if i == len(format) {
			return "", errors.New("a % has no letter behind it")
		}
		d, ok := directives[format[i]]
		if !ok {
			return "", fmt.Errorf("the directive %%%c is unknown", format[i])
		}
		if strings.IndexByte("Lfs", format[i]) >= 0 && i > 1 && format[i-2] != '.' && format[i-2] != ',' {
			return "", fmt.Errorf("%%%c stands behind a point or comma only", format[i])
		}
		b.WriteString(d)
	}
	return b.String(), nil
}

func (c call) layout(a argument) string {
	layout, err := layoutOf(a.text)
	switch {
	case a.text == "":
		c.fault(a.at, "the format is empty; write one such as \"%%Y-%%m-%%dT%%H:%%M:%%S\"")
	case err != nil:
		c.fault(a.at, "this format cannot be used: %v", err)
	}
	return layout
}

func parseTime(c call) getter {
	x, layout, zone := c.args[0].expression, c.layout(c.args[1]), time.Local
	if strings.HasSuffix(c.args[1].text, "Z") {
		zone = time.UTC
	}
	if a := c.args[2]; a.given && a.text != "" {
		var err error
		if zone, err = time.LoadLocation(a.text); err != nil {
			c.fault(a.at, "unknown time zone %q", a.text)
		}
	}
	return func(r *record) (value, error) {
		b, err := x.str(r)
		if err != nil {
			return value{}, err
		}
		if len(b) == 0 {
			return value{}, errEmpty
		}
		t, err := time.ParseInLocation(layout, string(b), zone)
		if err != nil {
			return value{}, errNotTime
		}
		return madeTime(withYear(t))
	}
}

// withYear gives a time without a year the current one, or the last if it would be more than a week ahead.
func withYear(t time.Time) time.Time {
	if t.Year() > 0 {
		return t
	}
	n := now()
	t = t.AddDate(n.Year()-t.Year(), 0, 0)
	if t.After(n.AddDate(0, 0, 7)) {
		t = t.AddDate(-1, 0, 0)
	}
	return t
}

func formatTime(c call) getter {
	x, layout := c.args[0].expression, c.layout(c.args[1])
	return func(r *record) (value, error) {
		v, err := x.get(r)
		if err == nil {
			err = v.must(kindTime)
		}
		mark := len(r.arena)
		return textValue(r.keep(v.time().AppendFormat(r.arena, layout), mark)), err
	}
}
